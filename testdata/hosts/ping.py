# Two hosts, healthy: one byte goes to and fro for ever.
import ctypes
import socket
import sys

ctypes.CDLL(None).prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL

if sys.argv[1] == "serve":
    listener = socket.socket()
    listener.bind(("", 7000))
    listener.listen(1)
    print("READY", flush=True)
    connection, _ = listener.accept()
else:
    connection = socket.create_connection((sys.argv[2], 7000))
    print("READY", flush=True)
    connection.send(b"x")
while byte := connection.recv(1):
    connection.send(byte)
