# IPC205 deadlock: a function that has a multiprocessing.Semaphore(1) calls one that takes it, too
import ctypes
import multiprocessing
import os

LIBC = ctypes.CDLL(None)
LIBC.prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL
os.register_at_fork(after_in_child=lambda: LIBC.prctl(1, 9))


def add(turn, entries, entry):
    turn.acquire()
    entries.append(entry)
    turn.release()


def add_all(turn, entries):
    turn.acquire()
    for entry in range(3):
        add(turn, entries, entry)
    turn.release()


if __name__ == "__main__":
    context = multiprocessing.get_context("fork")
    worker = context.Process(target=add_all, args=(context.Semaphore(1), []))
    worker.start()
    print("stuck", worker.pid)
    print("stuck", os.getpid())
    print("culprit", worker.pid)
    print("READY", flush=True)
    worker.join()
