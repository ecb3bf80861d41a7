# IPC304 deadlock: tasks of the default executor wait for coroutines that need a thread of it
import ctypes
import os

LIBC = ctypes.CDLL(None)
LIBC.prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL
os.register_at_fork(after_in_child=lambda: LIBC.prctl(1, 9))
import asyncio
from concurrent.futures import ThreadPoolExecutor


def read(key):
    return key.upper()


async def get(key):
    return await asyncio.to_thread(read, key)


def render(loop, key):
    return asyncio.run_coroutine_threadsafe(get(key), loop).result()


async def main():
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(2))
    print("stuck", os.getpid())
    print("culprit", os.getpid())
    loop.call_later(0.3, lambda: print("READY", flush=True))
    await asyncio.gather(*(asyncio.to_thread(render, loop, key) for key in "abcd"))


asyncio.run(main())
