# IPC202 deadlock: a forked child waits for an answer of a worker thread that its parent has alone
import ctypes
import os
import queue
import threading

LIBC = ctypes.CDLL(None)
LIBC.prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL
os.register_at_fork(after_in_child=lambda: LIBC.prctl(1, 9))
questions, answers = queue.Queue(), queue.Queue()


def work():
    while True:
        answers.put(questions.get() * 2)


def main():
    threading.Thread(target=work, daemon=True).start()
    questions.put(1)
    answers.get()
    child = os.fork()
    if child == 0:
        questions.put(2)
        answers.get()
        os._exit(0)
    print("stuck", child)
    print("stuck", os.getpid())
    print("culprit", child)
    print("READY", flush=True)
    os.waitpid(child, 0)


main()
