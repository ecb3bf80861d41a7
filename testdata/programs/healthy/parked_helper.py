# healthy: a helper keeps something open until it is terminated, while the main process serves
import ctypes
import os
import socket

LIBC = ctypes.CDLL(None)
LIBC.prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL
os.register_at_fork(after_in_child=lambda: LIBC.prctl(1, 9))
import threading
from multiprocessing import Process, set_start_method


def hold():
    with open("/etc/hostname"):
        threading.Event().wait()


def main():
    helper = Process(target=hold)
    helper.start()
    server = socket.create_server(("127.0.0.1", 0))
    print("READY", flush=True)
    server.accept()
    helper.terminate()
    helper.join()


if __name__ == "__main__":
    set_start_method(os.environ.get("START_METHOD", "fork"))
    main()
