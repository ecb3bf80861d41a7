# IPC306 deadlock: a threading.Event is used across processes; each has its own copy
import ctypes
import os

LIBC = ctypes.CDLL(None)
LIBC.prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL
os.register_at_fork(after_in_child=lambda: LIBC.prctl(1, 9))
import threading
from multiprocessing import Process, set_start_method

READY = threading.Event()


def work():
    READY.wait()


def main():
    child = Process(target=work)
    child.start()
    READY.set()
    print("stuck", child.pid)
    print("stuck", os.getpid())
    print("READY", flush=True)
    child.join()


if __name__ == "__main__":
    set_start_method(os.environ.get("START_METHOD", "fork"))
    main()
