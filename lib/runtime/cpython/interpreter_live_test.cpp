#include "runtime/cpython/interpreter.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <sstream>
#include <thread>

#include "linux/testing.h"

namespace ipcdoctor::runtime::cpython {

using snapshot::Number;
namespace {

// /usr/bin/python3 and those of IPCDOCTOR_PYTHONS, a list with colons.
std::vector<std::string> pythons() {
  std::vector<std::string> out;
  std::string list = "/usr/bin/python3";
  if (const char* more = std::getenv("IPCDOCTOR_PYTHONS")) list += std::string(":") + more;
  std::istringstream in(list);
  for (std::string path; std::getline(in, path, ':');) {
    if (::access(path.c_str(), X_OK) == 0) out.push_back(path);
  }
  return out;
}

// A Python program that runs until the test has looked at it.
class Program {
 public:
  Program(const std::string& python, const std::string& source) {
    char directory[] = "/tmp/ipcdoctor-python-XXXXXX";
    directory_ = ::mkdtemp(directory);
    std::ofstream(directory_ + "/program.py") << source;
    int out[2];
    if (::pipe2(out, O_CLOEXEC) != 0) std::abort();
    int in[2];
    if (::pipe2(in, O_CLOEXEC) != 0) std::abort();
    in_ = in[1];
    pid_ = ::fork();
    if (pid_ == 0) {
      (void)::setpgid(0, 0);
      ::dup2(in[0], 0);
      ::dup2(out[1], 1);
      const std::string file = directory_ + "/program.py";
      ::execl(python.c_str(), python.c_str(), file.c_str(), nullptr);
      ::_exit(127);
    }
    ::close(in[0]);
    ::close(out[1]);
    out_ = out[0];
  }
  ~Program() {
    (void)::kill(-pid_, SIGKILL);  // its own group: with its children, if there are any
    ::kill(pid_, SIGKILL);
    ::close(in_);
    (void)::waitpid(pid_, nullptr, 0);
    ::close(out_);
    ::unlink((directory_ + "/program.py").c_str());
    ::rmdir(directory_.c_str());
  }

  Pid pid() const { return Pid{pid_}; }

  // What it printed up to a line "ready"; then it is about to block.
  std::vector<std::string> read_until_ready() const {
    std::vector<std::string> lines;
    std::string line;
    for (char c = 0; ::read(out_, &c, 1) == 1;) {
      if (c != '\n') {
        line += c;
        continue;
      }
      if (line == "ready") break;
      lines.push_back(line);
      line.clear();
    }
    wait_until_asleep();
    return lines;
  }

 private:
  // Every thread sleeps in a system call, and did so twice in a row.
  void wait_until_asleep() const {
    int quiet = 0;
    for (int i = 0; i < 500 && quiet < 3; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
      std::ifstream in("/proc/" + std::to_string(pid_) + "/syscall");
      std::string text;
      std::getline(in, text);
      quiet = text.empty() || text.starts_with("running") ? 0 : quiet + 1;
    }
  }

  std::string directory_;
  pid_t pid_ = -1;
  int in_ = -1;
  int out_ = -1;
};

std::vector<NativeThread> native_threads(const linux::AddressSpace& space) {
  std::vector<NativeThread> out;
  const auto tids = space.dir.list_numbers("task");
  if (!tids) return out;
  for (const int tid : *tids) out.push_back({Tid{tid}, tid, {}});
  return out;
}

const PythonThread* thread_named(const std::vector<PythonThread>& threads, std::string_view name) {
  for (const PythonThread& t : threads) {
    if (t.name == name) return &t;
  }
  return nullptr;
}

// Prints its own stack as "function|file|line", innermost first, in the line in which it then
// blocks.
constexpr const char* kDeep = R"(
import os, sys, threading
r, w = os.pipe()

def report():
    f = sys._getframe(1)
    while f:
        c = f.f_code
        print('%s|%s|%d' % (getattr(c, 'co_qualname', c.co_name), c.co_filename, f.f_lineno))
        f = f.f_back
    print('ready')
    sys.stdout.flush()

class Worker:
    @classmethod
    def make(cls):
        return cls().run(
            940)

    def run(self, n):
        if n > 0:

            return self.run(n - 1)
        def nested():
            numbers = [self.step(i)
                       for i in range(1)]
            return numbers
        return nested()

    def step(self, i):
        def generate():
            yield 1
            for x in (self.last(k) for k in
                      range(3)):
                yield x
        try:
            return sum(generate())
        finally:
            pass

    def last(self, k):
        with open(os.devnull) as f:
            try:
                int('x')
            except ValueError:
                return (lambda: (
                    (report(), os.read(r, 1))))()

Worker.make()
)";

constexpr const char* kLocks = R"(
import threading, time, queue, sys
config_lock = threading.Lock()
owned = threading.RLock()
jobs = queue.Queue(maxsize=7)
held = threading.Event()

def hold():
    with config_lock:
        with owned:
            held.set()
            time.sleep(1000)

def want():
    with config_lock:
        pass

def want_owned():
    owned.acquire()

def consume():
    jobs.get()

threading.Thread(target=hold, name='holder', daemon=True).start()
held.wait()
for name, f in (('wanter', want), ('rwanter', want_owned), ('consumer', consume)):
    threading.Thread(target=f, name=name, daemon=True).start()
time.sleep(0.3)
print('ready')
sys.stdout.flush()
time.sleep(1000)
)";

// One thread for each call; its name is the call, then the variable it is made on.
constexpr const char* kCalls = R"(
import multiprocessing as mp, threading, queue, socket, subprocess, sys, time
from concurrent.futures import ThreadPoolExecutor, Future
from multiprocessing.pool import ThreadPool

def main():
    full, empty = mp.Queue(2), mp.SimpleQueue()
    tasks, flag, gate = mp.JoinableQueue(), mp.Event(), mp.Barrier(3)
    counter, mutex = mp.Semaphore(0), mp.Lock()
    near, far = mp.Pipe()
    condition, event, barrier = threading.Condition(), threading.Event(), threading.Barrier(5)
    slots, room, work = threading.Semaphore(0), queue.Queue(1), queue.Queue()
    future = Future()
    busy, lazy = ThreadPoolExecutor(1), ThreadPoolExecutor(1, 'lazy worker')
    lazy.submit(int).result()
    running = busy.submit(time.sleep, 1000)
    queued = [busy.submit(time.sleep, 1000) for i in range(3)]
    full.put(1)
    full.put(2)
    tasks.put('task')
    room.put(1)
    work.put(1)
    taken = queue.Queue()
    taken.mutex.acquire()
    mutex.acquire()
    sleeper = subprocess.Popen(['sleep', '1000'])
    child = mp.get_context('fork').Process(target=time.sleep, args=(1000,), daemon=True)
    child.start()
    idle = threading.Thread(target=time.sleep, args=(1000,), daemon=True, name='idle')
    idle.start()
    def wait():
        with condition:
            condition.wait()
    def locked():
        with mutex:
            pass
    calls = {
        'multiprocessing.Queue.put full': lambda: full.put(3),
        'multiprocessing.SimpleQueue.get empty': lambda: empty.get(),
        'multiprocessing.JoinableQueue.join tasks': lambda: tasks.join(),
        'multiprocessing.Event.wait flag': lambda: flag.wait(),
        'multiprocessing.Barrier.wait gate': lambda: gate.wait(),
        'multiprocessing.Semaphore.acquire counter': lambda: counter.acquire(),
        'multiprocessing.Lock.acquire mutex': locked,
        'multiprocessing.Process.join child': lambda: child.join(),
        'Connection.recv near': lambda: near.recv(),
        'threading.Condition.wait condition': wait,
        'threading.Event.wait event': lambda: event.wait(),
        'threading.Barrier.wait barrier': lambda: barrier.wait(),
        'threading.Semaphore.acquire slots': lambda: slots.acquire(),
        'threading.Thread.join idle': lambda: idle.join(),
        'queue.Queue.put room': lambda: room.put(2),
        'threading.Condition.acquire taken.not_full': lambda: taken.put(1),
        'queue.Queue.join work': lambda: work.join(),
        'Executor.result future': lambda: future.result(),
        'Executor.result running': lambda: running.result(),
        'subprocess.wait sleeper': lambda: sleeper.wait(),
    }
    for name, call in calls.items():
        threading.Thread(target=call, name=name, daemon=True).start()
    time.sleep(0.5)
    print('ready')
    sys.stdout.flush()
    sys.stdin.read()
    sleeper.kill()
    child.terminate()

main()
)";

// An event loop whose main task awaits, through a gather, another task, `async with` and
// `async for`, an item that never comes.
constexpr const char* kAwaits = R"(
import asyncio, sys

async def take(queue):
    item = await queue.get()  # take

async def items(queue):
    yield 1
    await take(queue)  # items
    yield 2

async def work(queue, lock):
    async with lock:
        async for item in items(queue):  # work
            pass

async def soon():
    await asyncio.sleep(0)

async def main():
    jobs, lock = asyncio.Queue(), asyncio.Lock()
    task = asyncio.ensure_future(work(jobs, lock))
    asyncio.get_running_loop().call_later(0.2, lambda: print('ready', flush=True))
    await asyncio.gather(soon(), task)  # main

asyncio.run(main())  # module
)";

constexpr const char* kCrossed = R"(
import asyncio

async def move(first, second):
    async with first:
        await asyncio.sleep(0.1)
        await second.acquire()
        second.release()

async def main():
    a, b = asyncio.Lock(), asyncio.Semaphore(1)
    asyncio.get_running_loop().call_later(0.3, lambda: print('ready', flush=True))
    await asyncio.gather(move(a, b), move(b, a))

asyncio.run(main())
)";

constexpr const char* kCrossedInExitStacks = R"(
import asyncio, contextlib

async def move(*locks):
    async with contextlib.AsyncExitStack() as stack:
        for lock in locks:
            await stack.enter_async_context(lock)
            await asyncio.sleep(0.1)

async def main():
    a, b = asyncio.Lock(), asyncio.Lock()
    asyncio.get_running_loop().call_later(0.4, lambda: print('ready', flush=True))
    await asyncio.gather(move(a, b), move(b, a))

asyncio.run(main())
)";

// The same below asyncio.wait(), and below a TaskGroup where there is one (3.11).
constexpr const char* kCrossedInAGroup = R"(
import asyncio

async def move(first, second):
    async with first:
        await asyncio.sleep(0.1)
        async with second:
            pass

async def both(a, b):
    await asyncio.wait([asyncio.ensure_future(move(a, b)), asyncio.ensure_future(move(b, a))])

async def main():
    a, b = asyncio.Lock(), asyncio.Lock()
    asyncio.get_running_loop().call_later(0.3, lambda: print('ready', flush=True))
    if not hasattr(asyncio, "TaskGroup"):
        return await both(a, b)
    async with asyncio.TaskGroup() as group:
        group.create_task(both(a, b))

asyncio.run(main())
)";

constexpr char kSubInterpreter[] = R"(
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters

CODE = """
import os
def inner():
    print('ready', flush=True)
    os.read(os.pipe()[0], 1)
def outer():
    inner()
outer()
"""
def call(where):
    interpreters.run_string(where, CODE)
call(interpreters.create())
)";

int line_of(const std::string& source, const std::string& mark) {
  const auto end = source.begin() + static_cast<std::ptrdiff_t>(source.find("# " + mark));
  return static_cast<int>(std::count(source.begin(), end, '\n')) + 1;
}

// The futex that a thread sleeps on, by /proc/PID/task/TID/syscall.
RemoteAddr futex_of(const linux::AddressSpace& space, Tid tid) {
  const auto line = space.dir.read("task/" + std::to_string(tid.value) + "/syscall");
  if (!line || !line->starts_with("202 0x")) return {};
  return RemoteAddr{std::strtoull(line->c_str() + 4, nullptr, 16)};
}

// A program that runs, and what is read of it; members are what Interpreter needs, in that order.
struct Reading {
  Reading(const std::string& python, const std::string& source)
      : program(python, source),
        said(program.read_until_ready()),
        space(linux::AddressSpace::open(program.pid())),
        interpreter(space ? Interpreter::find(*space, known) : space.error()),
        threads(interpreter ? interpreter->read_threads(native_threads(*space))
                            : interpreter.error()) {}

  Program program;
  std::vector<std::string> said;
  Result<linux::AddressSpace> space;
  KnownRuntimes known;
  Result<Interpreter> interpreter;
  Result<std::vector<PythonThread>> threads;
};

class EachPython : public testing::TestWithParam<std::string> {};

}  // namespace

TEST_P(EachPython, GivesTheStackThatTheProgramSeesItself) {
  Reading reading(GetParam(), kDeep);
  auto& [program, said, space, known, interpreter, threads] = reading;
  ASSERT_GT(said.size(), 945U);  // near the interpreter's own limit of 1000
  ASSERT_TRUE(space);
  ASSERT_TRUE(interpreter) << to_string(interpreter.error());
  EXPECT_TRUE(interpreter->version().starts_with("3."));
  ASSERT_TRUE(threads);
  ASSERT_EQ(threads->size(), 1U);
  EXPECT_EQ((*threads)[0].tid.value, program.pid().value);
  EXPECT_EQ((*threads)[0].name, "MainThread");
  ASSERT_TRUE((*threads)[0].frames);
  std::vector<std::string> seen;
  for (const auto& frame : *(*threads)[0].frames) {
    EXPECT_TRUE(frame.user_code) << frame.file;
    seen.push_back(frame.function + "|" + frame.file + "|" + std::to_string(frame.line));
  }
  EXPECT_EQ(seen, said);
}

TEST_P(EachPython, NamesLocksTheirOwnersAndQueues) {
  Reading reading(GetParam(), kLocks);
  auto& [program, said, space, known, interpreter, threads] = reading;
  ASSERT_TRUE(space);
  ASSERT_TRUE(interpreter) << to_string(interpreter.error());
  ASSERT_TRUE(threads);
  const auto* holder = thread_named(*threads, "holder");
  const auto* wanter = thread_named(*threads, "wanter");
  const auto* rwanter = thread_named(*threads, "rwanter");
  const auto* consumer = thread_named(*threads, "consumer");
  ASSERT_TRUE(holder && wanter && rwanter && consumer);
  const snapshot::TaskRef owner{program.pid(), holder->tid};

  EXPECT_EQ(wanter->activity.call, "threading.Lock.acquire");
  EXPECT_EQ(wanter->activity.object.name, "config_lock");
  EXPECT_THAT(holder->held_locks, testing::Contains(wanter->activity.object.address));
  snapshot::Lock lock;
  ASSERT_TRUE(
      interpreter->refine_lock({program.pid(), wanter->tid}, futex_of(*space, wanter->tid), lock));
  EXPECT_EQ(lock.kind, snapshot::LockKind::UnownedLock);
  EXPECT_EQ(lock.name, "threading.Lock `config_lock`");
  EXPECT_FALSE(lock.checked);
  EXPECT_THAT(lock.likely_owners, testing::ElementsAre(owner));

  snapshot::Lock rlock;
  ASSERT_TRUE(interpreter->refine_lock({program.pid(), rwanter->tid},
                                       futex_of(*space, rwanter->tid), rlock));
  EXPECT_EQ(rlock.kind, snapshot::LockKind::ReentrantLock);
  EXPECT_EQ(rlock.name, "threading.RLock `owned`");
  EXPECT_EQ(rlock.ownership, snapshot::Ownership::Known);
  EXPECT_TRUE(rlock.checked);
  EXPECT_THAT(rlock.owners, testing::ElementsAre(owner));

  EXPECT_EQ(consumer->activity.call, "queue.Queue.get");
  EXPECT_EQ(consumer->activity.object.name, "jobs");
  EXPECT_EQ(consumer->activity.object.numbers.get_or(Number::Unfinished, -1), 0);
  EXPECT_TRUE(consumer->held_locks.empty());  // wait() gave the queue's mutex back
}

TEST_P(EachPython, SaysWhichCallOfTheLibraryAThreadIsIn) {
  Reading reading(GetParam(), kCalls);
  auto& [program, said, space, known, interpreter, threads] = reading;
  ASSERT_TRUE(space);
  ASSERT_TRUE(interpreter) << to_string(interpreter.error());
  ASSERT_TRUE(threads);
  std::map<std::string, std::map<Number, std::int64_t>> numbers;  // by variable
  for (const PythonThread& thread : *threads) {
    const auto space_at = thread.name.find(' ');
    if (space_at == std::string::npos) continue;
    if (thread.name == "lazy worker_0") {
      EXPECT_EQ(thread.activity.call, "Executor.worker.get");
      EXPECT_EQ(thread.activity.object.name, "lazy");
      continue;
    }
    EXPECT_EQ(thread.activity.call, thread.name.substr(0, space_at));
    EXPECT_EQ(thread.activity.object.name, thread.name.substr(space_at + 1)) << thread.name;
    const auto& known_numbers = thread.activity.object.numbers;
    numbers[thread.activity.object.name] = {known_numbers.begin(), known_numbers.end()};
  }
  ASSERT_EQ(numbers.size(), 20U);
  EXPECT_EQ(numbers["running"].count(Number::Doer), 1U);
  const auto objects = interpreter->read_objects();
  const auto busy = std::ranges::find_if(objects, [](const auto& o) { return o.name == "busy"; });
  ASSERT_NE(busy, objects.end());
  EXPECT_EQ(busy->type, "ThreadPoolExecutor");
  EXPECT_EQ(busy->numbers.get_or(Number::Queued, -1), 3);
  EXPECT_EQ(static_cast<std::int64_t>(busy->address.value), numbers["running"][Number::Doer]);
  EXPECT_EQ(numbers["full"][Number::FeederExists], 1);
  EXPECT_EQ(numbers["tasks"][Number::Unfinished], 1);
  EXPECT_EQ(numbers["gate"][Number::Parties], 3);
  EXPECT_EQ(numbers["mutex"][Number::Maxvalue], 1);
  EXPECT_EQ(numbers["mutex"][Number::Count], 1);
  EXPECT_GT(numbers["child"][Number::Pid], program.pid().value);
  EXPECT_GE(numbers["near"][Number::HandleFd], 3);
  EXPECT_EQ(numbers["barrier"][Number::Parties], 5);
  EXPECT_EQ(numbers["idle"][Number::Exists], 1);
  EXPECT_EQ(numbers["work"][Number::Unfinished], 1);
  EXPECT_GT(numbers["sleeper"][Number::Pid], program.pid().value);
}

TEST_P(EachPython, FollowsWhatAnEventLoopAwaits) {
  Reading reading(GetParam(), kAwaits);
  auto& [program, said, space, known, interpreter, threads] = reading;
  ASSERT_TRUE(space);
  ASSERT_TRUE(interpreter) << to_string(interpreter.error());
  ASSERT_TRUE(threads);
  ASSERT_EQ(threads->size(), 1U);
  const PythonThread& thread = threads->front();
  ASSERT_TRUE(thread.frames);

  std::vector<std::pair<std::string, int>> seen;
  for (const auto& frame : *thread.frames)
    if (frame.user_code) seen.emplace_back(frame.function, frame.line);
  EXPECT_THAT(seen, testing::ElementsAre(testing::Pair("take", line_of(kAwaits, "take")),
                                         testing::Pair("items", line_of(kAwaits, "items")),
                                         testing::Pair("work", line_of(kAwaits, "work")),
                                         testing::Pair("main", line_of(kAwaits, "main")),
                                         testing::Pair("<module>", line_of(kAwaits, "module"))));
  EXPECT_EQ(thread.activity.call, "asyncio.Queue.get");
  EXPECT_THAT(thread.activity.object.name, testing::AnyOf("queue", "jobs"));
}

void follows_crossed_locks(const std::string& python, const char* code) {
  Reading reading(python, code);
  auto& [program, said, space, known, interpreter, threads] = reading;
  ASSERT_TRUE(interpreter) << to_string(interpreter.error());
  ASSERT_TRUE(threads);
  ASSERT_EQ(threads->size(), 1U);
  const auto& activity = threads->front().activity;
  EXPECT_TRUE(activity.call.starts_with("asyncio.") && activity.call.ends_with(".acquire"));
  EXPECT_EQ(activity.object.numbers.get_or(Number::Ring, -1), 2);
}

TEST_P(EachPython, FollowsTasksThatHoldEachOthersLocks) {
  follows_crossed_locks(GetParam(), kCrossed);
}

TEST_P(EachPython, FollowsTasksThatHoldLocksInExitStacks) {
  follows_crossed_locks(GetParam(), kCrossedInExitStacks);
}

TEST_P(EachPython, FollowsTheTasksOfAGroup) {
  follows_crossed_locks(GetParam(), kCrossedInAGroup);
}

TEST_P(EachPython, SeesWhatRunsInASubInterpreter) {
  Reading reading(GetParam(), kSubInterpreter);
  auto& [program, said, space, known, interpreter, threads] = reading;
  ASSERT_TRUE(space);
  ASSERT_TRUE(interpreter) << to_string(interpreter.error());
  ASSERT_TRUE(threads);
  const auto thread = std::ranges::find_if(
      *threads, [](const PythonThread& t) { return t.frames && t.frames->size() > 2; });
  ASSERT_NE(thread, threads->end());

  std::vector<std::string> functions;
  for (const auto& frame : *thread->frames) functions.push_back(frame.function);

  EXPECT_THAT(functions, testing::ElementsAre("inner", "outer", "<module>", "call", "<module>"));
}

// The pages that a reading needs, with bytes of them changed: the reader must end, whatever it then
// says.
void survive(const std::string& python, const char* source, std::size_t count) {
  const Program program(python, source);
  (void)program.read_until_ready();
  const auto space = linux::AddressSpace::open(program.pid());
  ASSERT_TRUE(space);
  const auto native = native_threads(*space);
  const auto read_all = [&](const linux::AddressSpace& from) {
    KnownRuntimes known;
    auto interpreter = Interpreter::find(from, known);
    if (!interpreter) return std::size_t{0};
    const auto threads = interpreter->read_threads(native);
    (void)interpreter->read_objects();
    for (const NativeThread& t : native) {
      snapshot::Lock lock;
      (void)interpreter->refine_lock({from.pid, t.tid}, futex_of(*space, t.tid), lock);
    }
    return threads ? threads->size() : std::size_t{0};
  };
  ASSERT_EQ(read_all(*space), count);
  const auto start = std::chrono::steady_clock::now();
  const int understood = linux::testing::read_torn(
      *space, [&](const linux::AddressSpace& torn) { return read_all(torn) > 0; });
  EXPECT_GE(understood, 7);  // at least the rounds in which nothing was changed
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(60));
}

TEST_P(EachPython, SurvivesTornAndHostileMemory) {
  survive(GetParam(), kLocks, 5);
}

TEST_P(EachPython, SurvivesTornAndHostileCoroutines) {
  survive(GetParam(), kAwaits, 1);
}

INSTANTIATE_TEST_SUITE_P(Installed, EachPython, testing::ValuesIn(pythons()),
                         [](const auto& python) {
                           std::string name;
                           for (const char c : python.param)
                             name += std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
                           return name;
                         });
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(EachPython);

}  // namespace ipcdoctor::runtime::cpython
