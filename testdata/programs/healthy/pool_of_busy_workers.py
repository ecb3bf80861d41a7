# healthy: one worker sleeps in its task, the main thread waits for the result
import ctypes
import os

LIBC = ctypes.CDLL(None)
LIBC.prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL
os.register_at_fork(after_in_child=lambda: LIBC.prctl(1, 9))
import time
from multiprocessing import Pool


def main():
    with Pool(2) as pool:
        result = pool.apply_async(time.sleep, (1000,))
        print("READY", flush=True)
        result.wait()


main()
