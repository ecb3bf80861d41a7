# healthy: a consumer waits for a producer that takes its time
import ctypes
import os

LIBC = ctypes.CDLL(None)
LIBC.prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL
os.register_at_fork(after_in_child=lambda: LIBC.prctl(1, 9))
import time
from multiprocessing import Process, Queue, set_start_method


def produce(queue):
    time.sleep(1000)
    queue.put(None)


def main():
    queue = Queue()
    Process(target=produce, args=(queue,)).start()
    print("READY", flush=True)
    queue.get()


if __name__ == "__main__":
    set_start_method(os.environ.get("START_METHOD", "fork"))
    main()
