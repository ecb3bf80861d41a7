# healthy: threads that try to take a lock, again and again, from one who sleeps and from each other, but not for ever
import ctypes
import threading
import time

ctypes.CDLL(None).prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL

slow, a, b = threading.Lock(), threading.Lock(), threading.Lock()
both = threading.Barrier(3)


def hold():
    with slow:
        both.wait()
        time.sleep(1000)


def cross(own, other):
    with own:
        both.wait()
        for _ in range(10000):
            if other.acquire(timeout=0.1):
                return


def wait():
    while not slow.acquire(timeout=0.1):
        pass


def main():
    work = [(hold,), (cross, a, b), (cross, b, a)]
    threads = [threading.Thread(target=f, args=args, daemon=True) for f, *args in work]
    for thread in threads:
        thread.start()
    while not (slow.locked() and a.locked() and b.locked()):
        time.sleep(0.01)
    print("READY", flush=True)
    wait()


if __name__ == "__main__":
    main()
