# IPC105 deadlock: both ends of a Pipe send more than fits; an idle logging.handlers.QueueListener has no part in it
import ctypes
import logging
import logging.handlers
import multiprocessing
import os
import queue

LIBC = ctypes.CDLL(None)
LIBC.prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL


def partner(connection):
    LIBC.prctl(1, 9)
    print("stuck", os.getpid(), flush=True)
    connection.send(b"x" * (4 << 20))
    connection.recv()


if __name__ == "__main__":
    multiprocessing.set_start_method(os.environ.get("START_METHOD", "fork"))
    ours, theirs = multiprocessing.Pipe()
    child = multiprocessing.Process(target=partner, args=(theirs,))
    child.start()
    records = queue.Queue()
    logging.getLogger().addHandler(logging.handlers.QueueHandler(records))
    logging.handlers.QueueListener(records).start()
    print("stuck", os.getpid())
    print("READY", flush=True)
    ours.send(b"x" * (4 << 20))
    ours.recv()
    child.join()
