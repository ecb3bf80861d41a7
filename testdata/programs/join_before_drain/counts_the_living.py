# IPC106 deadlock: children are joined before their results are taken, while a thread counts those that live
import ctypes
import os

LIBC = ctypes.CDLL(None)
LIBC.prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL
os.register_at_fork(after_in_child=lambda: LIBC.prctl(1, 9))
import threading
import time
from multiprocessing import Process, Queue, set_start_method


class Collector:
    def __init__(self):
        self.results = Queue()
        self.jobs = []
        self.running = True
        self.living = 0

    def watch(self):
        while self.running:
            self.living = sum(1 for job in self.jobs if job.exitcode is None)
            time.sleep(1)

    def stop(self):
        for job in self.jobs:
            job.join()
        self.running = False


def work(results):
    results.put(bytes(1 << 20))


def main():
    collector = Collector()
    for _ in range(2):
        collector.jobs.append(Process(target=work, args=(collector.results,)))
    for job in collector.jobs:
        job.start()
        print("stuck", job.pid)
    print("stuck", os.getpid())
    print("culprit", os.getpid())
    threading.Thread(target=collector.watch, daemon=True).start()
    time.sleep(0.5)
    print("READY", flush=True)
    collector.stop()


if __name__ == "__main__":
    set_start_method("fork")
    main()
