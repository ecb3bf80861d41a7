# healthy: a thread forgets a lease some time later, by which the pipe of a child closes
import ctypes
import os

LIBC = ctypes.CDLL(None)
LIBC.prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL
os.register_at_fork(after_in_child=lambda: LIBC.prctl(1, 9))
import subprocess
import sys
import threading
import time


class Lease:
    def __init__(self, stream, seconds):
        self.stream, self.seconds = stream, seconds


class Leases:
    def __init__(self):
        self.current = None

    def age(self):
        while self.current is not None:
            self.current.seconds -= 1
            if self.current.seconds < 0:
                self.current = None
            time.sleep(1)


def main():
    leases = Leases()
    child = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"],
                             stdin=subprocess.PIPE)
    leases.current = Lease(child.stdin, 1000)
    child.stdin = None
    threading.Thread(target=leases.age, daemon=True).start()
    print("READY", flush=True)
    child.wait()


main()
