# healthy: a pool without work, and a parent that waits for a slow client
import ctypes
import os

LIBC = ctypes.CDLL(None)
LIBC.prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL
os.register_at_fork(after_in_child=lambda: LIBC.prctl(1, 9))
import time
from multiprocessing import Pool, set_start_method


def main():
    with Pool(3) as pool:
        pool.map(abs, range(10))
        print("READY", flush=True)
        time.sleep(1000)


if __name__ == "__main__":
    set_start_method(os.environ.get("START_METHOD", "fork"))
    main()
