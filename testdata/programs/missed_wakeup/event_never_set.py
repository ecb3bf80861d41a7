# IPC303 deadlock: an Event that the worker was to set, but it returned early
import ctypes
import os

LIBC = ctypes.CDLL(None)
LIBC.prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL
os.register_at_fork(after_in_child=lambda: LIBC.prctl(1, 9))
from multiprocessing import Event, Process, set_start_method


def work(ready, fail):
    if fail:
        return
    ready.set()


def main():
    ready = Event()
    child = Process(target=work, args=(ready, True))
    child.start()
    child.join()
    print("stuck", os.getpid())
    print("READY", flush=True)
    ready.wait()


if __name__ == "__main__":
    set_start_method(os.environ.get("START_METHOD", "fork"))
    main()
