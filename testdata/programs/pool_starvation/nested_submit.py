# IPC304 deadlock: the only worker of an executor waits for a task that is queued behind it
import ctypes
import os

LIBC = ctypes.CDLL(None)
LIBC.prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL
os.register_at_fork(after_in_child=lambda: LIBC.prctl(1, 9))
from concurrent.futures import ThreadPoolExecutor

EXECUTOR = ThreadPoolExecutor(max_workers=1)


def inner():
    return 1


def outer():
    return EXECUTOR.submit(inner).result()


def main():
    print("stuck", os.getpid())
    print("READY", flush=True)
    EXECUTOR.submit(outer).result()


main()
