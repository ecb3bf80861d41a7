# healthy: one worker sleeps in its task, the main thread waits for the result
import ctypes
import os

LIBC = ctypes.CDLL(None)
LIBC.prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL
os.register_at_fork(after_in_child=lambda: LIBC.prctl(1, 9))
import time
from multiprocessing import Pool, set_start_method


def main():
    with Pool(2) as pool:
        result = pool.apply_async(time.sleep, (1000,))
        print("READY", flush=True)
        result.wait()


if __name__ == "__main__":
    set_start_method(os.environ.get("START_METHOD", "fork"))
    main()
