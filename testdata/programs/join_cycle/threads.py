# IPC307 deadlock: two threads join each other
import ctypes
import os

LIBC = ctypes.CDLL(None)
LIBC.prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL
os.register_at_fork(after_in_child=lambda: LIBC.prctl(1, 9))
import threading

THREADS = []
BOTH = threading.Barrier(3)


def wait_for(index):
    BOTH.wait()
    THREADS[index].join()


def main():
    THREADS.extend(threading.Thread(target=wait_for, args=(1 - i,)) for i in range(2))
    for thread in THREADS:
        thread.start()
    BOTH.wait()
    print("stuck", os.getpid())
    print("READY", flush=True)
    THREADS[0].join()


main()
