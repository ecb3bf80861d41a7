# IPC203 deadlock: a worker was killed while it held a multiprocessing.Lock
import ctypes
import os

LIBC = ctypes.CDLL(None)
LIBC.prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL
os.register_at_fork(after_in_child=lambda: LIBC.prctl(1, 9))
import signal
import time
from multiprocessing import Lock, Process, set_start_method


def hold(lock, fd):
    with lock:
        os.write(fd, b"x")
        time.sleep(1000)


def main():
    lock = Lock()
    held, tell = os.pipe()
    owner = Process(target=hold, args=(lock, tell))
    owner.start()
    os.read(held, 1)
    os.kill(owner.pid, signal.SIGKILL)
    owner.join()
    print("stuck", os.getpid())
    print("READY", flush=True)
    lock.acquire()


set_start_method("fork")
main()
