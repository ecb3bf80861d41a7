# healthy: a Manager serves its owner, which sleeps
import ctypes
import os

LIBC = ctypes.CDLL(None)
LIBC.prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL
os.register_at_fork(after_in_child=lambda: LIBC.prctl(1, 9))
import time
from multiprocessing import Manager, set_start_method


def main():
    with Manager() as manager:
        shared = manager.dict()
        shared["answer"] = 42
        print("READY", flush=True)
        time.sleep(1000)


if __name__ == "__main__":
    set_start_method(os.environ.get("START_METHOD", "fork"))
    main()
