# IPC103, IPC303 deadlock: a task of an event loop takes from an asyncio.Queue into which no task is left to put
import ctypes
import os

LIBC = ctypes.CDLL(None)
LIBC.prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL
import asyncio


async def produce(jobs):
    await jobs.put(1)


async def consume(jobs):
    while await jobs.get() is not None:
        pass


async def main():
    jobs = asyncio.Queue()
    print("stuck", os.getpid())
    print("READY", flush=True)
    await asyncio.gather(produce(jobs), consume(jobs))


asyncio.run(main())
