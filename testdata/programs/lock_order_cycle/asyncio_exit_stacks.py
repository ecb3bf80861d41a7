# IPC204 deadlock: two coroutines enter the same locks in other orders, by exit stacks
import ctypes
import os

LIBC = ctypes.CDLL(None)
LIBC.prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL
os.register_at_fork(after_in_child=lambda: LIBC.prctl(1, 9))
import asyncio
from contextlib import AsyncExitStack


async def transfer(*locks):
    async with AsyncExitStack() as stack:
        for lock in locks:
            await stack.enter_async_context(lock)
            await asyncio.sleep(0.1)


async def main():
    a, b = asyncio.Lock(), asyncio.Lock()
    print("stuck", os.getpid())
    print("culprit", os.getpid())
    asyncio.get_running_loop().call_later(0.4, lambda: print("READY", flush=True))
    await asyncio.gather(transfer(a, b), transfer(b, a))


asyncio.run(main())
