# IPC305 deadlock: an early return keeps the slots of a BoundedSemaphore
import ctypes
import os

LIBC = ctypes.CDLL(None)
LIBC.prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL
os.register_at_fork(after_in_child=lambda: LIBC.prctl(1, 9))
import threading
from concurrent.futures import ThreadPoolExecutor

SLOTS = threading.BoundedSemaphore(2)
SEEN = []


def fetch(url):
    SLOTS.acquire()
    if not url.startswith("https:"):
        return None
    SEEN.append(url)
    SLOTS.release()
    return len(url)


def main():
    print("stuck", os.getpid())
    print("culprit", os.getpid())
    print("READY", flush=True)
    with ThreadPoolExecutor(3) as pool:
        print(list(pool.map(fetch, ["https://a", "http://b", "ftp://c", "https://d", "https://e"])))


main()
