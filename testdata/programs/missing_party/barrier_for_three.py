# IPC302 deadlock: multiprocessing.Barrier(3), and one of the three processes has died
import ctypes
import os

LIBC = ctypes.CDLL(None)
LIBC.prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL
os.register_at_fork(after_in_child=lambda: LIBC.prctl(1, 9))
from multiprocessing import Barrier, Process, set_start_method


def meet(barrier, ill):
    if ill:
        os._exit(1)
    barrier.wait()


def main():
    barrier = Barrier(3)
    children = [Process(target=meet, args=(barrier, ill)) for ill in (False, True)]
    for child in children:
        child.start()
    children[1].join()
    print("stuck", children[0].pid)
    print("stuck", os.getpid())
    print("READY", flush=True)
    barrier.wait()


if __name__ == "__main__":
    set_start_method(os.environ.get("START_METHOD", "fork"))
    main()
