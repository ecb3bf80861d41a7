# Two hosts, one connection: each waits for what the other should say first. The server takes IPv4 clients on an IPv6 socket.
import socket
import sys


def serve(listener):
    connection, _ = listener.accept()
    connection.recv(1)


def ask(connection):
    connection.recv(1)


if sys.argv[1] == "serve":
    listener = socket.socket(socket.AF_INET6)
    listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    listener.bind(("", 7000))
    listener.listen(5)
    print("READY", flush=True)
    serve(listener)
else:
    connection = socket.create_connection((sys.argv[2], 7000))
    print("READY", flush=True)
    ask(connection)
