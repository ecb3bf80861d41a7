# healthy: the main thread takes requests from a queue, which only the handler of SIGHUP feeds
import ctypes

LIBC = ctypes.CDLL(None)
LIBC.prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL
import queue
import signal

requests = queue.Queue()


def on_hangup(number, frame):
    requests.put("reload")


signal.signal(signal.SIGHUP, on_hangup)
print("READY", flush=True)
while requests.get() != "end":
    pass
