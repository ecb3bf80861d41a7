# IPC108 deadlock: JoinableQueue.join() waits for a task_done() that the worker forgot
import ctypes
import os

LIBC = ctypes.CDLL(None)
LIBC.prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL
os.register_at_fork(after_in_child=lambda: LIBC.prctl(1, 9))
from multiprocessing import JoinableQueue, Process, set_start_method


def work(queue):
    while True:
        item = queue.get()
        if item is None:
            return
        if item != 3:
            queue.task_done()


def main():
    queue = JoinableQueue()
    child = Process(target=work, args=(queue,), daemon=True)
    child.start()
    for item in range(5):
        queue.put(item)
    print("stuck", os.getpid())
    print("READY", flush=True)
    queue.join()


if __name__ == "__main__":
    set_start_method(os.environ.get("START_METHOD", "fork"))
    main()
