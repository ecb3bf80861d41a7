# IPC205 deadlock: a multiprocessing.Lock is taken again by the process that holds it
import ctypes
import os

LIBC = ctypes.CDLL(None)
LIBC.prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL
os.register_at_fork(after_in_child=lambda: LIBC.prctl(1, 9))
from multiprocessing import Lock

LOCK = Lock()


def refresh():
    with LOCK:
        return 1


def main():
    print("stuck", os.getpid())
    print("culprit", os.getpid())
    print("READY", flush=True)
    with LOCK:
        refresh()


main()
