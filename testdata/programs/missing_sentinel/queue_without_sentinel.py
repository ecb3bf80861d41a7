# IPC103 deadlock: the consumer takes items until None, and nobody sends None
import ctypes
import os

LIBC = ctypes.CDLL(None)
LIBC.prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL
os.register_at_fork(after_in_child=lambda: LIBC.prctl(1, 9))
from multiprocessing import Process, Queue, set_start_method


def consume(queue):
    while queue.get() is not None:
        pass


def main():
    queue = Queue()
    child = Process(target=consume, args=(queue,))
    child.start()
    for item in range(5):
        queue.put(item)
    print("stuck", child.pid)
    print("stuck", os.getpid())
    print("READY", flush=True)
    child.join()


if __name__ == "__main__":
    set_start_method(os.environ.get("START_METHOD", "fork"))
    main()
