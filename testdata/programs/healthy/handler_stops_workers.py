# healthy: SIGTERM sets an event, at which workers look and the main thread waits; one worker waits for its end
import ctypes

LIBC = ctypes.CDLL(None)
LIBC.prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL
import signal
import threading
import time

stop = threading.Event()
done = threading.Event()


def look():
    while not stop.is_set():
        time.sleep(0.5)
    done.set()


def finish():
    done.wait()


signal.signal(signal.SIGTERM, lambda number, frame: stop.set())
threading.Thread(target=look).start()
finisher = threading.Thread(target=finish)
finisher.start()
print("READY", flush=True)
finisher.join()
