# IPC103 deadlock or IPC101, IPC301: a worker is left over, its parent was killed before it could send the sentinel
import ctypes
import os

LIBC = ctypes.CDLL(None)
LIBC.prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL
os.register_at_fork(after_in_child=lambda: LIBC.prctl(1, 9))
import signal
from multiprocessing import Process, Queue, set_start_method


def consume(queue):
    LIBC.prctl(1, 0)  # it shall survive its parent, as workers do
    while queue.get() is not None:
        os.write(pipe_out, b"%d\n" % os.getpid())


def work():
    queue = Queue()
    child = Process(target=consume, args=(queue,))
    child.start()
    queue.put("item")
    child.join()


set_start_method("fork")
LIBC.prctl(36, 1)  # PR_SET_CHILD_SUBREAPER: the orphan becomes ours
pipe_in, pipe_out = os.pipe()
parent = os.fork()
if parent == 0:
    os.close(pipe_in)
    work()
orphan = int(os.read(pipe_in, 100))
os.close(pipe_in)
os.close(pipe_out)
os.kill(parent, signal.SIGKILL)
os.waitpid(parent, 0)
print("stuck", orphan)
print("READY", flush=True)
os.waitpid(orphan, 0)
