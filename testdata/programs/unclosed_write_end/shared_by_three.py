# IPC101 deadlock: a producer and three consumers share one pipe; the consumers keep its sending end open
import ctypes
import os

LIBC = ctypes.CDLL(None)
LIBC.prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL
os.register_at_fork(after_in_child=lambda: LIBC.prctl(1, 9))
from multiprocessing import Lock, Pipe, Process, set_start_method


def consume(lock, receiver):
    while True:
        with lock:
            try:
                receiver.recv()
            except EOFError:
                return


def produce(sender):
    for item in range(9):
        sender.send(item)
    sender.close()


def main():
    receiver, sender = Pipe(duplex=False)
    lock = Lock()
    consumers = [Process(target=consume, args=(lock, receiver)) for _ in range(3)]
    producer = Process(target=produce, args=(sender,))
    for process in consumers + [producer]:
        process.start()
    sender.close()
    producer.join()
    for process in consumers:
        print("stuck", process.pid)
    print("READY", flush=True)
    for process in consumers:
        process.join()


set_start_method("fork")
main()
