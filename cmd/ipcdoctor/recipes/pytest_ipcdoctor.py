"""A pytest plug-in: a test that takes too long is diagnosed by ipcdoctor, with its child processes, and fails.

    pytest --ipcdoctor-timeout 60                        # where pip has installed the wheel
    pytest -p pytest_ipcdoctor --ipcdoctor-timeout 60    # where the folder of this file is on PYTHONPATH

The verdict is the first line of the failure and so stands in pytest's summary, the report follows; the traceback shows
where the test was. "(suspected)" behind the class: it holds unless somebody helps whom the report names. The processes
that the test started are killed, and the next test runs. Python 3.8 or later, Linux.

The time is kept by a process of its own: a thread for it would be one that lives, and nothing that pytest itself holds
could then be called deadlocked.
"""
import contextlib
import ctypes
import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import sysconfig
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


def find_ipcdoctor():
    """The one that the wheel brought, into the scripts of this Python or of a folder for `pip --target`; else that on PATH."""
    scheme = sysconfig.get_default_scheme() if sys.version_info >= (3, 10) else "posix_prefix"
    for folder in (os.path.join(os.path.dirname(__file__), "bin"), sysconfig.get_path("scripts", scheme),
                   sysconfig.get_path("scripts", "posix_user")):
        path = os.path.join(folder, "ipcdoctor")
        if os.access(path, os.X_OK):
            return path
    return shutil.which("ipcdoctor") or "ipcdoctor"


def summary(report, pids, timeout, test):
    """One line of a report in JSON: "DEADLOCK missing-sentinel: app.py:9: 2 consumers wait for ...". What says most stands
    first, as pytest cuts the lines of its summary at the width of the terminal: of the test's own file the line is enough."""
    def place(where):
        return re.sub("^%s:" % re.escape(test), "line ", where) + ": "

    for finding in report["findings"]:
        tasks = finding["culprits"] + finding["stuck"]
        if any(task["pid"] in pids for task in finding["stuck"]):  # and not only of our session
            # ours first, and no code that came by -c, as what xdist begins with
            tasks = [task for task in tasks if task["where"] and not task["where"].startswith("<")]
            places = [place(task["where"]) for task in sorted(tasks, key=lambda task: task["pid"] not in pids)]
            condition = " (suspected)" if finding.get("unless") else ""
            return "%s %s%s: %s%s" % (finding["verdict"].upper(), finding["class"], condition, "".join(places[:1]), finding["title"])
    told = ""
    threads = [thread for process in report["processes"] for thread in process["threads"] if thread["tid"] == os.getpid()]
    for frame in [frame for thread in threads for frame in thread["python"] if frame["user_code"]][:1]:
        told = place("%s:%d" % (os.path.basename(frame["file"]), frame["line"])) + "%s: " % (
            threads[0].get("activity") or ("sleeps" if (threads[0].get("wait") or {}).get("kind") == "sleep" else "waits"))
    return "WAITING: %sno deadlock was found, but it took longer than %g s" % (told, timeout)


def pytest_addoption(parser):
    group = parser.getgroup("ipcdoctor", "diagnosis of hung tests")
    group.addoption("--ipcdoctor-timeout", type=float, metavar="SECONDS", help="diagnose and fail a test that takes longer")
    group.addoption("--ipcdoctor", metavar="PATH", help="the ipcdoctor to use (the one that came with the plug-in, or on PATH)")


def pytest_configure(config):
    # the process that hands tests out to those of pytest-xdist runs none
    hands_out = getattr(config.option, "numprocesses", None) and not hasattr(config, "workerinput")
    if config.getoption("--ipcdoctor-timeout") and not hands_out:
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
        self.verdict = None
        self.test = ""
        self.before = {}
        ipcdoctor = config.getoption("--ipcdoctor") or find_ipcdoctor()
        command = [sys.executable, __file__, str(os.getpid()), ipcdoctor, self.report]
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
        self.verdict = None
        self.test = os.path.basename(str(item.fspath))
        self.armed = True
        self.order("arm %f" % self.timeout)
        yield
        self.armed = False
        self.order("disarm")

    @hook
    def pytest_runtest_makereport(self):
        """The summary and JUnit begin with the verdict, not with the name of an exception."""
        outcome = yield
        crash = getattr(outcome.get_result().longrepr, "reprcrash", None)
        if crash and self.verdict and crash.message.startswith("Failed: " + self.verdict):
            crash.message = self.verdict

    def fail(self, *_):
        __tracebackhide__ = True  # the traceback ends where the test was
        import pytest

        if not self.armed:
            return
        self.armed = False
        tree = descendants(os.getpid())
        for pid, start in tree.items():
            if self.before.get(pid) != start:
                with contextlib.suppress(ProcessLookupError):  # it ended meanwhile
                    os.kill(pid, signal.SIGKILL)
        try:
            with open(self.report + ".json", encoding="utf-8") as report:
                first = summary(json.load(report), {os.getpid(), *tree}, self.timeout, self.test)
        except (OSError, ValueError, LookupError):
            first = "took longer than %g s" % self.timeout  # the text says why there is no verdict
        self.verdict = first
        with open(self.report + ".txt", encoding="utf-8", errors="replace") as report:
            pytest.fail("%s\n\nIt took longer than %g s.\n%s" % (first, self.timeout, report.read()))


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
            with contextlib.suppress(FileNotFoundError):  # of the test before
                os.unlink(report + ".json")
            with open(report + ".txt", "wb") as out:
                try:
                    subprocess.run([ipcdoctor, "attach", "--overdue", str(pid), "--format", "text",
                                    "--format", "json=%s.json" % report],
                                   stdin=subprocess.DEVNULL, stdout=out, stderr=out, timeout=60, check=False)
                except (OSError, subprocess.TimeoutExpired) as error:
                    out.write(("ipcdoctor: %s\n" % error).encode())
            os.kill(pid, TIME_IS_OVER)


if __name__ == "__main__":
    if os.fork() == 0:
        time.sleep(0.05)  # until the one between us and pytest is gone
        watch(int(sys.argv[1]), sys.argv[2], sys.argv[3])
    os._exit(0)
