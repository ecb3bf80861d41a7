# IPC103 deadlock: two consumers, one None
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
    children = [Process(target=consume, args=(queue,)) for _ in range(2)]
    for child in children:
        child.start()
    for item in range(5):
        queue.put(item)
    queue.put(None)
    print("READY", flush=True)
    for child in children:
        child.join()


if __name__ == "__main__":
    set_start_method(os.environ.get("START_METHOD", "fork"))
    main()
