# healthy: asks one child after the other whether it has ended, and each of them sleeps
import ctypes
import os

LIBC = ctypes.CDLL(None)
LIBC.prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL
os.register_at_fork(after_in_child=lambda: LIBC.prctl(1, 9))
import time
from multiprocessing import Process, set_start_method


def main():
    children = [Process(target=time.sleep, args=(1000,)) for _ in range(3)]
    for child in children:
        child.start()
    print("READY", flush=True)
    while True:
        for child in children:
            if not child.is_alive():
                return
        time.sleep(0.1)


if __name__ == "__main__":
    set_start_method(os.environ.get("START_METHOD", "fork"))
    main()
