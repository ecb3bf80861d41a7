# IPC101 deadlock: the consumer waits for EOF, but inherited the sending end, and the parent keeps it too
import ctypes
import os

LIBC = ctypes.CDLL(None)
LIBC.prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL
os.register_at_fork(after_in_child=lambda: LIBC.prctl(1, 9))
from multiprocessing import Pipe, Process, set_start_method


def consumer(receiver):
    while True:
        try:
            receiver.recv()
        except EOFError:
            return


def main():
    receiver, sender = Pipe(duplex=False)
    child = Process(target=consumer, args=(receiver,))
    child.start()
    for item in range(3):
        sender.send(item)
    print("stuck", child.pid)
    print("stuck", os.getpid())
    print("culprit", os.getpid())
    print("READY", flush=True)
    child.join()


if __name__ == "__main__":
    set_start_method(os.environ.get("START_METHOD", "fork"))
    main()
