# IPC104 deadlock: both sides of a Pipe wait for the other to speak first
import ctypes
import os

LIBC = ctypes.CDLL(None)
LIBC.prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL
os.register_at_fork(after_in_child=lambda: LIBC.prctl(1, 9))
from multiprocessing import Pipe, Process, set_start_method


def answer(connection, other):
    other.close()
    request = connection.recv()
    connection.send(request)


def main():
    ours, theirs = Pipe()
    child = Process(target=answer, args=(theirs, ours))
    child.start()
    theirs.close()
    print("stuck", child.pid)
    print("stuck", os.getpid())
    print("READY", flush=True)
    greeting = ours.recv()
    ours.send(greeting)


if __name__ == "__main__":
    set_start_method(os.environ.get("START_METHOD", "fork"))
    main()
