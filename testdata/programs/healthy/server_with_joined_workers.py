# healthy: a server that hands its clients to worker threads, and a supervisor that joins these
import ctypes
import os

LIBC = ctypes.CDLL(None)
LIBC.prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL
import queue
import socket
import threading

CLIENTS = queue.Queue()


def work():
    while True:
        client = CLIENTS.get()
        client.sendall(b"hello\n")
        client.close()


def supervise(workers):
    for worker in workers:
        worker.join()


if __name__ == "__main__":
    workers = [threading.Thread(target=work) for _ in range(3)]
    for worker in workers:
        worker.start()
    threading.Thread(target=supervise, args=(workers,)).start()
    server = socket.create_server(("127.0.0.1", 0))
    print("READY", flush=True)
    while True:
        CLIENTS.put(server.accept()[0])
