"""A pytest plug-in: a test that takes too long is diagnosed by ipcdoctor, with its child processes, and fails.

    pytest -p pytest_ipcdoctor --ipcdoctor-timeout 60

with the folder of this file on PYTHONPATH. The report is the message of the failure, the traceback shows where the test
was; the processes that it started are killed, and the next test runs. Python 3.8 or later, Linux.

The time is kept by a process of its own: a thread for it would be one that lives, and nothing that pytest itself holds
could then be called deadlocked.
"""
import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import tempfile
import time

# None that a service handles itself: ipcdoctor would take such a handler for what a wait is for.
TIME_IS_OVER = signal.SIGRTMIN + 5
PR_SET_PTRACER = 0x59616D61
LIBC = ctypes.CDLL(None)


def let_anybody_look():
    """Where Yama lets only ancestors look, ipcdoctor is none. Of a program that a test starts it may see less."""
    LIBC.prctl(PR_SET_PTRACER, ctypes.c_ulong(2**64 - 1), 0, 0, 0)


def descendants(pid):
    """{pid: start time} of all processes below this one."""
    children = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/stat" % name, encoding="utf-8", errors="replace") as stat:
                fields = stat.read().rpartition(")")[2].split()
        except OSError:
            continue  # it ended meanwhile
        children.setdefault(int(fields[1]), []).append((int(name), fields[19]))
    found = {}
    todo = [pid]
    while todo:
        for child, start in children.get(todo.pop(), []):
            if child not in found:
                found[child] = start
                todo.append(child)
    return found


def pytest_addoption(parser):
    group = parser.getgroup("ipcdoctor", "diagnosis of hung tests")
    group.addoption("--ipcdoctor-timeout", type=float, metavar="SECONDS", help="diagnose and fail a test that takes longer")
    group.addoption("--ipcdoctor", default="ipcdoctor", metavar="PATH", help="the ipcdoctor to use")


def pytest_configure(config):
    if config.getoption("--ipcdoctor-timeout"):
        config.pluginmanager.register(Doctor(config), "ipcdoctor-doctor")


def hook(function):
    import pytest

    return pytest.hookimpl(hookwrapper=True)(function)


class Doctor:
    """Arms a watcher for each test."""

    def __init__(self, config):
        self.timeout = config.getoption("--ipcdoctor-timeout")
        self.folder = tempfile.TemporaryDirectory(prefix="pytest-ipcdoctor-")
        self.report = os.path.join(self.folder.name, "report")
        self.armed = False
        self.before = {}
        command = [sys.executable, __file__, str(os.getpid()), config.getoption("--ipcdoctor"), self.report]
        # it forks and leaves: ipcdoctor does not look at its own ancestors
        watcher = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
        watcher.wait()
        self.orders = watcher.stdin
        signal.signal(TIME_IS_OVER, self.fail)
        let_anybody_look()
        os.register_at_fork(after_in_child=let_anybody_look)

    def order(self, text):
        self.orders.write(text.encode() + b"\n")
        self.orders.flush()

    @hook
    def pytest_runtest_call(self, item):
        self.before = descendants(os.getpid())
        self.armed = True
        self.order("arm %f" % self.timeout)
        yield
        self.armed = False
        self.order("disarm")

    def fail(self, *_):
        __tracebackhide__ = True  # the traceback ends where the test was
        import pytest

        if not self.armed:
            return
        self.armed = False
        for pid, start in descendants(os.getpid()).items():
            if self.before.get(pid) != start:
                with contextlib.suppress(ProcessLookupError):  # it ended meanwhile
                    os.kill(pid, signal.SIGKILL)
        with open(self.report, encoding="utf-8", errors="replace") as report:
            pytest.fail("took longer than %g s\n%s" % (self.timeout, report.read()))


def watch(pid, ipcdoctor, report):
    """In the watcher: waits for orders, and looks at pytest when a test's time is over."""
    deadline = None
    rest = b""
    while os.path.exists("/proc/%d" % pid):
        left = 1.0 if deadline is None else min(1.0, max(0.0, deadline - time.monotonic()))
        if select.select([0], [], [], left)[0]:
            data = os.read(0, 4096)
            if not data:
                return
            *orders, rest = (rest + data).split(b"\n")
            for order in orders:
                words = order.split()
                deadline = time.monotonic() + float(words[1]) if words[0] == b"arm" else None
        elif deadline is not None and time.monotonic() >= deadline:
            deadline = None
            with open(report, "wb") as out:
                try:
                    subprocess.run([ipcdoctor, "attach", str(pid)], stdin=subprocess.DEVNULL,
                                   stdout=out, stderr=out, timeout=60, check=False)
                except (OSError, subprocess.TimeoutExpired) as error:
                    out.write(("ipcdoctor: %s\n" % error).encode())
            os.kill(pid, TIME_IS_OVER)


if __name__ == "__main__":
    if os.fork() == 0:
        time.sleep(0.05)  # until the one between us and pytest is gone
        watch(int(sys.argv[1]), sys.argv[2], sys.argv[3])
    os._exit(0)
