# IPC301 deadlock: a worker is killed over its batch, another one waits for the next batch
import ctypes
import os

LIBC = ctypes.CDLL(None)
LIBC.prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL
os.register_at_fork(after_in_child=lambda: LIBC.prctl(1, 9))
import signal
import time
from multiprocessing import Process, Queue, set_start_method


def work(batches, results):
    for batch in iter(batches.get, None):
        if batch == 3:
            time.sleep(0.3)  # the result before it is on its way
            os.kill(os.getpid(), signal.SIGKILL)
        results.put(batch * batch)


def main():
    results = Queue()
    queues = [Queue(), Queue()]
    workers = [Process(target=work, args=(q, results)) for q in queues]
    for worker in workers:
        worker.start()
    print("stuck", os.getpid())
    print("culprit", workers[1].pid)
    for batch in range(4):
        queues[batch % 2].put(batch)
    taken = [results.get() for _ in range(3)]
    workers[1].join()
    print("READY", flush=True)
    taken.append(results.get())


if __name__ == "__main__":
    set_start_method("fork")
    main()
