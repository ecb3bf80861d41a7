# IPC205 deadlock: a task takes a lock twice, in a service that stops on SIGTERM
import ctypes
import os

LIBC = ctypes.CDLL(None)
LIBC.prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL
os.register_at_fork(after_in_child=lambda: LIBC.prctl(1, 9))
import asyncio
import signal


class Store:
    def __init__(self):
        self.lock = asyncio.Lock()
        self.rows = {}

    async def get(self, key):
        async with self.lock:
            return self.rows.get(key)

    async def ensure(self, key):
        async with self.lock:
            if await self.get(key) is None:
                self.rows[key] = 0


async def main():
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    print("stuck", os.getpid())
    print("culprit", os.getpid())
    print("READY", flush=True)
    await Store().ensure("a")


asyncio.run(main())
