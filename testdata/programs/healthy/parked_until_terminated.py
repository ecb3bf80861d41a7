# healthy: the main thread is parked until SIGTERM, whose handler ends the program; a worker has nothing to do
import ctypes

LIBC = ctypes.CDLL(None)
LIBC.prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL
import queue
import signal
import sys
import threading


def on_term(number, frame):
    print("ended by", signal.Signals(number).name)
    sys.exit(0)


def work(jobs):
    while True:
        jobs.get()()


signal.signal(signal.SIGTERM, on_term)
threading.Thread(target=work, args=(queue.Queue(),), daemon=True).start()
print("READY", flush=True)
threading.Event().wait()
