# IPC106 deadlock: wait() before the output is read, beside a pulse that a handler of SIGTERM stops
import ctypes
import os

LIBC = ctypes.CDLL(None)
LIBC.prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL
os.register_at_fork(after_in_child=lambda: LIBC.prctl(1, 9))
import logging
import signal
import subprocess
import sys
import threading

log = logging.getLogger("pulse")
stop = threading.Event()


def pulse():
    while not stop.wait(1.0):
        log.debug("alive")


def main():
    signal.signal(signal.SIGTERM, lambda signum, frame: stop.set())
    threading.Thread(target=pulse, daemon=True).start()
    tool = subprocess.Popen([sys.executable, "-c", "print('x' * 200000)"], stdout=subprocess.PIPE)
    print("stuck", tool.pid)
    print("stuck", os.getpid())
    print("culprit", os.getpid())
    print("READY", flush=True)
    tool.wait()
    print(len(tool.stdout.read()))


main()
