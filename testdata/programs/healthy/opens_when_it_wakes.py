# healthy: a job opens a FIFO, whose other side its launcher opens after a sleep
import os
import tempfile
import time

fifo = os.path.join(tempfile.mkdtemp(), "answers")
os.mkfifo(fifo)
if os.fork() == 0:
    print("READY", flush=True)
    open(fifo).read()
    os._exit(0)
time.sleep(30)
open(fifo, "w").close()
