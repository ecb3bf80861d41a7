# IPC201 deadlock: a child logs through a lock that another thread held at the fork; that thread runs on
import ctypes
import os

LIBC = ctypes.CDLL(None)
LIBC.prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL
os.register_at_fork(after_in_child=lambda: LIBC.prctl(1, 9))
import threading
import time

LOCK = threading.Lock()
HELD = threading.Event()


def log(text):
    with LOCK:
        return text


def keep_logging():
    while True:
        with LOCK:
            HELD.set()
            time.sleep(0.05)


def main():
    threading.Thread(target=keep_logging, daemon=True).start()
    HELD.wait()
    child = os.fork()
    if child == 0:
        log("started")
        os._exit(0)
    print("stuck", child)
    print("READY", flush=True)
    os.waitpid(child, 0)


main()
