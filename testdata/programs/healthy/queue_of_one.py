# healthy: a queue with room for one item is full, and its consumer takes its time
import ctypes
import os

LIBC = ctypes.CDLL(None)
LIBC.prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL
os.register_at_fork(after_in_child=lambda: LIBC.prctl(1, 9))
import time
from multiprocessing import Process, Queue, set_start_method


def consume(queue):
    for _ in iter(queue.get, None):
        time.sleep(1000)


def main():
    queue = Queue(1)
    Process(target=consume, args=(queue,)).start()
    queue.put(1)
    queue.put(2)
    print("READY", flush=True)
    queue.put(3)


if __name__ == "__main__":
    set_start_method(os.environ.get("START_METHOD", "fork"))
    main()
