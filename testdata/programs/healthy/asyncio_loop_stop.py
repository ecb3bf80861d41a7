# healthy: an event loop runs until SIGTERM stops it; a worker waits for what it hands on
import ctypes
import os

LIBC = ctypes.CDLL(None)
LIBC.prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL
os.register_at_fork(after_in_child=lambda: LIBC.prctl(1, 9))
import asyncio
import multiprocessing as mp
import signal


def work(jobs):
    for job in iter(jobs.get, None):
        print(job, flush=True)


if __name__ == "__main__":
    mp.set_start_method("fork")
    jobs = mp.Queue()
    worker = mp.Process(target=work, args=(jobs,))
    worker.start()
    loop = asyncio.new_event_loop()
    loop.add_signal_handler(signal.SIGTERM, loop.stop)
    loop.call_soon(lambda: print("READY", flush=True))
    loop.run_forever()
    jobs.put(None)
    worker.join()
