# IPC301 deadlock: the main thread waits for a result that a thread was to bring, but that thread has died
import ctypes
import os

LIBC = ctypes.CDLL(None)
LIBC.prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL
os.register_at_fork(after_in_child=lambda: LIBC.prctl(1, 9))
import queue
import sys
import threading

RESULTS = queue.Queue()


def compute():
    sys.exit(1)  # ends the thread, silently
    RESULTS.put(42)


def main():
    thread = threading.Thread(target=compute)
    thread.start()
    thread.join()
    print("stuck", os.getpid())
    print("READY", flush=True)
    RESULTS.get()


main()
