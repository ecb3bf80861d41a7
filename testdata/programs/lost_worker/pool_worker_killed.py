# IPC301 deadlock: a pool's worker was killed with a task in its hands; its result will never come
import ctypes
import os

LIBC = ctypes.CDLL(None)
LIBC.prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL
os.register_at_fork(after_in_child=lambda: LIBC.prctl(1, 9))
import signal
from multiprocessing import Pool, set_start_method


def work(item):
    if item == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return item


def main():
    print("stuck", os.getpid())
    print("READY", flush=True)
    with Pool(2) as pool:
        pool.map(work, range(2), chunksize=1)


if __name__ == "__main__":
    set_start_method(os.environ.get("START_METHOD", "fork"))
    main()
