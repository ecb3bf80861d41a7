# IPC202 deadlock: the child submits to an executor whose threads were not copied by fork
import ctypes
import os

LIBC = ctypes.CDLL(None)
LIBC.prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL
os.register_at_fork(after_in_child=lambda: LIBC.prctl(1, 9))
from concurrent.futures import ThreadPoolExecutor

EXECUTOR = ThreadPoolExecutor(max_workers=1)


def main():
    EXECUTOR.submit(int).result()
    child = os.fork()
    if child == 0:
        EXECUTOR.submit(int).result()
        os._exit(0)
    print("stuck", child)
    print("READY", flush=True)
    os.waitpid(child, 0)


main()
