# IPC107 deadlock: a bounded queue is full and its only consumer is dead
import ctypes
import os

LIBC = ctypes.CDLL(None)
LIBC.prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL
os.register_at_fork(after_in_child=lambda: LIBC.prctl(1, 9))
from multiprocessing import Process, Queue, set_start_method


def consume(queue):
    queue.get()
    os._exit(1)


def produce(queue):
    for item in range(10):
        queue.put(item)


def main():
    queue = Queue(2)
    consumer = Process(target=consume, args=(queue,))
    producer = Process(target=produce, args=(queue,))
    consumer.start()
    producer.start()
    consumer.join()
    print("stuck", producer.pid)
    print("READY", flush=True)
    producer.join()


if __name__ == "__main__":
    set_start_method(os.environ.get("START_METHOD", "fork"))
    main()
