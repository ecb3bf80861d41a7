# IPC104 deadlock: the only thread of a server asks its own server, and waits for the answer
import ctypes
import os
import socket

LIBC = ctypes.CDLL(None)
LIBC.prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL


def main():
    server = socket.socket(socket.AF_UNIX)
    server.bind(b"\0ipcdoctor-own-server-%d" % os.getpid())
    server.listen(5)
    client = socket.socket(socket.AF_UNIX)
    client.connect(server.getsockname())
    client.sendall(b"question")
    print("stuck", os.getpid())
    print("culprit", os.getpid())
    print("READY", flush=True)
    client.recv(100)


main()
