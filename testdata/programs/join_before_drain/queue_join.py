# IPC106 deadlock: the parent joins the child before it takes what the child's queue still has to deliver
import ctypes
import os

LIBC = ctypes.CDLL(None)
LIBC.prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL
os.register_at_fork(after_in_child=lambda: LIBC.prctl(1, 9))
from multiprocessing import Process, Queue, set_start_method


def produce(queue):
    queue.put(b"x" * 1_000_000)


def main():
    queue = Queue()
    child = Process(target=produce, args=(queue,))
    child.start()
    print("stuck", child.pid)
    print("stuck", os.getpid())
    print("culprit", os.getpid())
    print("READY", flush=True)
    child.join()
    queue.get()


if __name__ == "__main__":
    set_start_method(os.environ.get("START_METHOD", "fork"))
    main()
