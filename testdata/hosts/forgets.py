# Two hosts, one connection: the server's host forgets it while its network is down, and the client is never told.
import socket
import struct
import subprocess
import sys
import time


def link(state):
    subprocess.run(["ip", "link", "set", "eth0", state], check=True)


def serve(listener):
    connection, _ = listener.accept()
    link("down")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()  # resets it, but the reset does not arrive
    link("up")
    print("GONE", flush=True)
    time.sleep(1000)


def ask(connection):
    connection.recv(1)


if sys.argv[1] == "serve":
    listener = socket.create_server(("", 7000))
    print("READY", flush=True)
    serve(listener)
else:
    connection = socket.create_connection((sys.argv[2], 7000))
    print("READY", flush=True)
    ask(connection)
