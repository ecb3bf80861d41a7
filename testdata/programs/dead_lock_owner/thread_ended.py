# IPC203 deadlock: a thread ended with a threading.Lock that it had taken
import ctypes
import os
import threading

LIBC = ctypes.CDLL(None)
LIBC.prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL


def main():
    lock = threading.Lock()
    thread = threading.Thread(target=lock.acquire)
    thread.start()
    thread.join()
    print("stuck", os.getpid())
    print("READY", flush=True)
    lock.acquire()


main()
