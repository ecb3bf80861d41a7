# healthy: an event loop waits for the SIGTERM that ends the service
import ctypes

LIBC = ctypes.CDLL(None)
LIBC.prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL
import asyncio
import signal


async def main():
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    print("READY", flush=True)
    await stop.wait()


asyncio.run(main())
