# healthy: a signal wakes one task of an event loop, which hands on work to the one that the main task waits for
import ctypes

LIBC = ctypes.CDLL(None)
LIBC.prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL
import asyncio
import signal


async def hand_on(asked, jobs):
    while True:
        await asked.wait()
        asked.clear()
        await jobs.put("scan")


async def main():
    asked, jobs = asyncio.Event(), asyncio.Queue()
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, asked.set)
    helper = asyncio.create_task(hand_on(asked, jobs))
    print("READY", flush=True)
    while await jobs.get() != "quit":
        pass
    helper.cancel()


asyncio.run(main())
