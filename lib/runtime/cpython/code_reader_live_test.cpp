#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <random>
#include <sstream>
#include <thread>

#include "runtime/cpython/interpreter.h"

namespace ipcdoctor::runtime::cpython {
namespace {

using snapshot::Effects;
using namespace snapshot;

constexpr std::uint32_t kHarmless = 0;
constexpr std::uint32_t kEnds = kReleases | kFinishes;  // wakes who joins the thread
constexpr std::uint32_t kMayEnd = kEnds | kWrites;      // an exception, a traceback

// /usr/bin/python3 and those of IPCDOCTOR_PYTHONS, a list with colons.
std::vector<std::string> pythons() {
  std::vector<std::string> out;
  std::string list = "/usr/bin/python3";
  if (const char* more = std::getenv("IPCDOCTOR_PYTHONS")) list += std::string(":") + more;
  std::istringstream in(list);
  for (std::string path; std::getline(in, path, ':');)
    if (::access(path.c_str(), X_OK) == 0) out.push_back(path);
  return out;
}

// What every program begins with, and how it goes on once its threads are started.
constexpr const char* kBegin = R"(
import collections, functools, os, queue, signal, sys, threading, time
from datetime import datetime
event, stop, items = threading.Event(), threading.Event(), queue.Queue()
lock, held, recursive = threading.Lock(), threading.Lock(), threading.RLock()
held.acquire()
condition = threading.Condition()
simple = queue.SimpleQueue()
reader, writer = os.pipe()
seen, counter, last = [], {"x": 0}, collections.deque(maxlen=5)
number = 0
)";
constexpr const char* kEnd = R"(
if "beat" in globals():
    threading.Thread(target=beat, name="beat", daemon=True).start()
print("ready", flush=True)
sys.stdin.readline()
time.sleep(1)
)";

class Program {
 public:
  Program(const std::string& python, const std::string& body) {
    char directory[] = "/tmp/ipcdoctor-code-XXXXXX";
    directory_ = ::mkdtemp(directory);
    std::ofstream(directory_ + "/program.py") << kBegin << body << kEnd;
    int in[2], out[2];
    if (::pipe2(in, O_CLOEXEC) != 0 || ::pipe2(out, O_CLOEXEC) != 0) std::abort();
    in_ = in[1];
    out_ = out[0];
    pid_ = ::fork();
    if (pid_ == 0) {
      (void)::setpgid(0, 0);
      ::dup2(in[0], 0);
      ::dup2(out[1], 1);
      ::dup2(::open("/dev/null", O_WRONLY), 2);
      ::unsetenv("PYTHONUNBUFFERED");
      const std::string file = directory_ + "/program.py";
      ::execl(python.c_str(), python.c_str(), file.c_str(), nullptr);
      ::_exit(127);
    }
    ::close(in[0]);
    ::close(out[1]);
    EXPECT_EQ(read_line(), "ready");
    std::this_thread::sleep_for(std::chrono::milliseconds(60));  // the thread reaches its sleep
  }
  ~Program() {
    (void)::kill(-pid_, SIGKILL);
    (void)::kill(pid_, SIGKILL);
    (void)::waitpid(pid_, nullptr, 0);
    ::close(in_);
    ::close(out_);
    ::unlink((directory_ + "/program.py").c_str());
    ::rmdir(directory_.c_str());
  }

  std::string read_line() const {
    std::string line;
    for (char c = 0; ::read(out_, &c, 1) == 1 && c != '\n';) line += c;
    return line;
  }
  void go_on() const { (void)!::write(in_, "\n", 1); }

  // Of all threads but the main one, by name, and of the handlers; nullopt: not this version.
  std::optional<CodeEffects> read() const {
    auto space = linux::AddressSpace::open(Pid{pid_});
    KnownRuntimes known;
    if (!space) return std::nullopt;
    auto interpreter = Interpreter::find(*space, known);
    if (!interpreter) return std::nullopt;
    std::vector<NativeThread> natives;
    for (const int tid : space->dir.list_numbers("task").value_or(std::vector<int>{}))
      natives.push_back({Tid{tid}, tid, {}});
    const auto threads = interpreter->read_threads(natives);
    if (!threads) return std::nullopt;
    std::vector<Tid> alive;
    for (const PythonThread& t : *threads)
      if (t.tid.value != pid_) alive.push_back(t.tid);
    // "202 0x7f... ": futex(2) of the main thread
    const std::string call = space->dir.read("syscall").value_or(std::string());
    const std::uint64_t futex =
        call.starts_with("202 ") ? std::stoull(call.substr(4), nullptr, 16) : 0;
    return interpreter->read_effects(alive, {}, RemoteAddr{futex});
  }

 private:
  std::string directory_;
  pid_t pid_ = -1;
  int in_ = -1, out_ = -1;
};

struct Case {
  const char* name;
  const char* body;       // defines beat(), which a thread runs
  std::uint32_t mask;     // exactly this ...
  bool at_least = false;  // ... or this or kUnknown, and maybe more
};
void PrintTo(const Case& c, std::ostream* out) {
  *out << c.name;
}
constexpr bool kAtLeast = true;

const Case kCases[] = {
    {"sleeps", "def beat():\n  while True: time.sleep(1)", kHarmless},
    {"counts", "def beat():\n  n = 0\n  while True:\n    n += 1\n    time.sleep(0.5)", kHarmless},
    {"counts_a_global",
     "def beat():\n  global number\n  while True:\n    number += 1\n    time.sleep(1)", kHarmless},
    {"counts_in_a_dict", "def beat():\n  while True:\n    counter['x'] += 1\n    time.sleep(1)",
     kHarmless},
    {"appends", "def beat():\n  while True:\n    seen.append(time.time())\n    time.sleep(1)",
     kHarmless},
    {"keeps_the_last", "def beat():\n  while True:\n    last.append(1)\n    time.sleep(1)",
     kHarmless},
    {"formats",
     "def beat():\n  while True:\n    text = f'{os.getpid()} {time.time():.1f}'\n    "
     "time.sleep(1)",
     kHarmless},
    {"calls_a_function",
     "def add(a, b=2, *, c=3): return a + b + c\n"
     "def beat():\n  while True:\n    add(1, c=5)\n    time.sleep(1)",
     kHarmless},
    {"counts_in_an_object",
     "class Beat:\n  def __init__(self): self.n = 0\n  def step(self): self.n += 1\n"
     "  def run(self):\n    while True:\n      self.step()\n      time.sleep(1)\n"
     "beat = Beat().run",
     kHarmless},
    {"takes_a_lock_in_between",
     "def beat():\n  while True:\n    with lock:\n      counter['x'] += 1\n    time.sleep(1)",
     kHarmless},
    {"calls_through_a_decorator",
     "def logged(f):\n  @functools.wraps(f)\n  def inner(*a, **k): return f(*a, **k)\n  return "
     "inner\n@logged\ndef step(): return 1\ndef beat():\n  while True:\n    step()\n    "
     "time.sleep(1)",
     kHarmless},
    {"waits_for_an_event_with_a_timeout", "def beat():\n  while True:\n    stop.wait(1)",
     kHarmless},
    {"asks_a_flag_that_may_end_it", "def beat():\n  while not stop.is_set():\n    stop.wait(1)",
     kEnds},
    {"asserts", "def beat():\n  while True:\n    assert number >= 0, 'it fell'\n    time.sleep(1)",
     kMayEnd},
    {"returns", "def beat(): time.sleep(1000)", kEnds},
    {"raises_perhaps", "def beat():\n  while True:\n    time.sleep(1)\n    int(str(number))",
     kMayEnd},
    {"catches",
     "def beat():\n  while True:\n    time.sleep(1)\n    try: int('x')\n    except Exception: "
     "pass",
     kMayEnd, kAtLeast},
    {"sets_an_event", "def beat():\n  while True:\n    time.sleep(1)\n    event.set()", kReleases},
    {"notifies",
     "def beat():\n  while True:\n    time.sleep(1)\n    with condition: condition.notify_all()",
     kReleases, kAtLeast},
    {"releases_a_lock", "def beat():\n  while True:\n    time.sleep(1)\n    held.release()",
     kReleases | kMayEnd},
    {"leaves_a_with_block_that_it_is_in",
     "def beat():\n  with lock:\n    time.sleep(1)\n  while True: time.sleep(1)", kReleases,
     kAtLeast},
    {"puts_into_a_queue", "def beat():\n  while True:\n    time.sleep(1)\n    items.put(1)",
     kReleases, kAtLeast},
    {"puts_into_a_simple_queue", "def beat():\n  while True:\n    time.sleep(1)\n    simple.put(1)",
     kReleases},
    {"prints", "def beat():\n  while True:\n    time.sleep(1)\n    print('alive')", kMayEnd},
    {"writes", "def beat():\n  while True:\n    time.sleep(1)\n    os.write(writer, b'x')",
     kMayEnd},
    {"reads", "def beat():\n  while True:\n    time.sleep(1)\n    os.read(reader, 1)",
     kReads | kMayEnd},
    {"closes", "def beat():\n  time.sleep(1000)\n  os.close(writer)", kCloses | kMayEnd},
    {"exits", "def beat():\n  time.sleep(1000)\n  os._exit(3)", kExits, kAtLeast},
    {"kills", "def beat():\n  time.sleep(1000)\n  os.kill(os.getpid(), 9)", kSignals, kAtLeast},
    {"forks", "def beat():\n  time.sleep(1000)\n  os.fork()", kForks, kAtLeast},
    {"starts_a_thread", "def beat():\n  time.sleep(1000)\n  threading.Thread(target=beat).start()",
     kForks, kAtLeast},
    {"logs",
     "import logging\nlogging.basicConfig(format='%(asctime)s %(message)s', level=logging.INFO)\n"
     "log = logging.getLogger('app')\n"
     "def beat():\n  n = 0\n  while True:\n    log.info('alive %d', n)\n    n += 1\n"
     "    time.sleep(1)",
     kWrites},
    {"logs_without_a_logger",
     "import logging\ndef beat():\n  while True:\n    logging.warning('alive')\n"
     "    time.sleep(1)",
     kWrites},
    // What only looks harmless.
    {"logs_to_a_handler_of_its_own",
     "import logging\nclass Loud(logging.StreamHandler):\n  def emit(self, r): event.set()\n"
     "logging.getLogger().addHandler(Loud())\n"
     "def beat():\n  while True:\n    logging.warning('alive')\n    time.sleep(1)",
     kReleases, kAtLeast},
    {"logs_what_is_not_wanted",
     "import logging, logging.handlers\nlog = logging.getLogger('app.part')\n"
     "log.addHandler(logging.handlers.QueueHandler(items))\n"
     "def beat():\n  while True:\n    time.sleep(1)\n    log.debug('alive')",
     kHarmless},
    {"logs_what_is_wanted_of_a_part",
     "import logging, logging.handlers\nlog = logging.getLogger('app.part')\n"
     "logging.getLogger('app').setLevel(10)\n"
     "log.addHandler(logging.handlers.QueueHandler(items))\n"
     "def beat():\n  while True:\n    time.sleep(1)\n    log.debug('alive')",
     kReleases, kAtLeast},
    {"logs_into_a_queue",
     "import logging.handlers\n"
     "logging.getLogger().addHandler(logging.handlers.QueueHandler(items))\n"
     "def beat():\n  while True:\n    logging.warning('alive')\n    time.sleep(1)",
     kReleases, kAtLeast},
    {"logs_through_a_filter",
     "import logging\nlog = logging.getLogger('app')\nlog.addFilter(lambda r: event.set())\n"
     "def beat():\n  while True:\n    log.warning('alive')\n    time.sleep(1)",
     kReleases, kAtLeast},
    {"logs_with_a_clock_of_its_own",
     "import logging\nlogging.basicConfig(format='%(asctime)s')\n"
     "def clock(*a):\n  event.set()\n  return time.gmtime()\nlogging.Formatter.converter = clock\n"
     "def beat():\n  while True:\n    logging.warning('alive')\n    time.sleep(1)",
     kReleases, kAtLeast},
    {"acts_after_ten_rounds",
     "def beat():\n  for i in range(100):\n    time.sleep(0.5)\n    if i == 10: event.set()",
     kReleases | kFinishes},
    {"calls_what_replaced_sleep",
     "def loud(s, real=time.sleep):\n  real(s)\n  event.set()\ntime.sleep = loud\n"
     "def beat():\n  while True: time.sleep(1)",
     kReleases, kAtLeast},
    {"appends_to_a_list_of_its_own",
     "class Loud(list):\n  def append(self, x): event.set()\nseen = Loud()\n"
     "def beat():\n  while True:\n    time.sleep(1)\n    seen.append(1)",
     kReleases, kAtLeast},
    {"counts_in_a_dict_of_its_own",
     "class Loud(dict):\n  def __setitem__(self, k, v): event.set()\ncounter = Loud(x=1)\n"
     "def beat():\n  while True:\n    time.sleep(1)\n    counter['x'] = 1",
     kReleases, kAtLeast},
    {"asks_a_module_that_makes_up_names",
     "import types\nm = types.ModuleType('m')\nm.__getattr__ = lambda name: event.set()\n"
     "def beat():\n  while True:\n    time.sleep(1)\n    m.anything",
     kReleases, kAtLeast},
    {"asks_a_property",
     "class Box:\n  @property\n  def value(self): event.set()\nbox = Box()\n"
     "def beat():\n  while True:\n    time.sleep(1)\n    box.value",
     kReleases, kAtLeast},
    {"asks_an_object_that_makes_up_names",
     "class Box:\n  def __getattr__(self, n): event.set()\nbox = Box()\n"
     "def beat():\n  while True:\n    time.sleep(1)\n    box.value",
     kReleases, kAtLeast},
    {"adds_with_its_own_operator",
     "class N:\n  def __add__(self, o):\n    event.set()\n    return self\nn = N()\n"
     "def beat():\n  while True:\n    time.sleep(1)\n    n + 1",
     kReleases, kAtLeast},
    {"tests_with_its_own_truth",
     "class N:\n  def __bool__(self):\n    event.set()\n    return True\nn = N()\n"
     "def beat():\n  while True:\n    time.sleep(1)\n    if n: pass",
     kReleases, kAtLeast},
    {"compares_with_its_own_equality",
     "class N:\n  def __eq__(self, o): event.set()\nn = N()\n"
     "def beat():\n  while True:\n    time.sleep(1)\n    n == 1",
     kReleases, kAtLeast},
    {"prints_what_prints_itself",
     "class N:\n  def __str__(self):\n    event.set()\n    return ''\nn = N()\n"
     "def beat():\n  while True:\n    time.sleep(1)\n    text = f'{n}'",
     kReleases, kAtLeast},
    {"destroys_what_notices",
     "class N:\n  def __del__(self): event.set()\nbox = [N()]\n"
     "def beat():\n  time.sleep(1)\n  box.clear()\n  while True: time.sleep(1)",
     kReleases, kAtLeast},
    {"overwrites_what_notices",
     "class N:\n  def __del__(self): event.set()\n"
     "def beat():\n  n = N()\n  time.sleep(1)\n  n = None\n  while True: time.sleep(1)",
     kReleases, kAtLeast},
    {"ends_with_what_notices",
     "class N:\n  def __del__(self): event.set()\n"
     "def beat():\n  n = N()\n  time.sleep(1)",
     kReleases, kAtLeast},
    {"closes_a_file_at_its_end", "def beat():\n  f = os.fdopen(writer, 'wb')\n  time.sleep(1)",
     kCloses, kAtLeast},
    {"rebinds_a_global",
     "def hook(): pass\ndef beat():\n  global hook\n  while True:\n    time.sleep(1)\n    hook()\n"
     "    hook = event.set",
     kReleases, kAtLeast},
    {"rebinds_through_globals",
     "def hook(): pass\nd = globals()\ndef beat():\n  while True:\n    time.sleep(1)\n    hook()\n"
     "    d['hook'] = event.set",
     kReleases, kAtLeast},
    {"rebinds_an_attribute",
     "class Box:\n  def hook(self): pass\nbox = Box()\n"
     "def beat():\n  while True:\n    time.sleep(1)\n    box.hook()\n    box.hook = event.set",
     kReleases, kAtLeast},
    {"rebinds_in_a_closure",
     "def make():\n  hook = time.time\n  def beat():\n    nonlocal hook\n    while True:\n      "
     "time.sleep(1)\n      hook()\n      hook = event.set\n  return beat\nbeat = make()",
     kReleases, kAtLeast},
    {"calls_out_of_a_list",
     "hooks = [time.time]\ndef beat():\n  while True:\n    time.sleep(1)\n    hooks[0]()\n"
     "    hooks[0] = event.set",
     kReleases, kAtLeast},
    {"calls_out_of_a_dict",
     "hooks = {'a': time.time}\ndef beat():\n  while True:\n    time.sleep(1)\n"
     "    hooks['a']()\n    hooks['a'] = event.set",
     kReleases, kAtLeast},
    {"evaluates", "def beat():\n  while True:\n    time.sleep(1)\n    eval('event.set()')",
     kReleases, kAtLeast},
    {"leaves_through_finally",
     "def beat():\n  try:\n    while True: time.sleep(0.01 if number == 0 else -1)\n"
     "  finally: event.set()",
     kReleases, kAtLeast},
    {"ends_with_what_others_keep",
     "class N:\n  def __del__(self): event.set()\nkept = N()\n"
     "def beat():\n  n = kept\n  time.sleep(1)",
     kEnds},
    {"ends_with_what_an_object_keeps",
     "class N:\n  def __del__(self): event.set()\nclass K: pass\nkept = K()\nkept.n = [N()]\n"
     "def beat():\n  n = kept.n[0]\n  time.sleep(1)",
     kEnds},
    {"ends_with_what_nobody_keeps_then",
     "class N:\n  def __del__(self): event.set()\nclass K: pass\nkept = K()\nkept.n = N()\n"
     "def beat():\n  n = kept.n\n  kept.n = None\n  time.sleep(1)",
     kReleases, kAtLeast},
    {"ends_with_what_was_taken_off_a_list",
     "class N:\n  def __del__(self): event.set()\nkept = [N()]\n"
     "def beat():\n  n = kept.pop()\n  time.sleep(1)",
     kReleases, kAtLeast},
    {"counts_by_a_generator",
     "class N:\n  def __init__(self): self.size = 1\nall_of = [N(), N()]\n"
     "def beat():\n  while True:\n    n = sum(1 for x in all_of if x.size)\n"
     "    text = ', '.join(str(x.size) for x in all_of)\n    time.sleep(1)",
     kMayEnd},
    {"acts_in_a_generator",
     "def act(): event.set()\n"
     "def beat():\n  while True:\n    n = any(act() for x in (1, 2))\n    time.sleep(1)",
     kReleases, kAtLeast},
    {"acts_for_one_of_a_list",
     "class N:\n  def act(self): pass\nclass M(N):\n  def act(self): event.set()\n"
     "all_of = [N(), N(), M()]\n"
     "def beat():\n  while True:\n    for x in all_of: x.act()\n    time.sleep(1)",
     kReleases},
    {"is_a_timer_that_counts",
     "def count(n): seen.append(n)\nbeat = threading.Timer(1000, count, [1]).run", kEnds},
    {"is_a_timer_that_acts", "beat = threading.Timer(1000, event.set).run", kReleases, kAtLeast},
    {"calls_a_bound_method",
     "class N:\n  def act(self): self.acts = 1\nn = N()\n"
     "def beat():\n  while True:\n    f = n.act\n    f()\n    time.sleep(1)",
     kHarmless},
    {"exchanges_a_list",
     "class N:\n  def __init__(self):\n    self.todo = []\n    self.done = 0\nn = N()\n"
     "def beat():\n  while True:\n    batch, n.todo = n.todo, []\n    n.done += len(batch)\n"
     "    time.sleep(1)",
     kHarmless},
    {"goes_on_in_the_caller",
     "def inner(): time.sleep(1)\ndef beat():\n  while True:\n    inner()\n    event.set()",
     kReleases, kAtLeast},
    {"goes_on_behind_a_callback",
     "def inner(x): time.sleep(1)\ndef beat():\n  while True:\n    list(map(inner, [1]))\n"
     "    event.set()",
     kReleases, kAtLeast},
    {"is_a_generator_inside",
     "def gen():\n  while True:\n    yield 1\n    event.set()\n"
     "def beat():\n  for _ in gen(): time.sleep(1)",
     kReleases, kAtLeast},
    {"waits_for_an_event_that_does_more",
     "class Loud(threading.Event):\n  def is_set(self):\n    event.set()\n    return False\n"
     "loud = Loud()\ndef beat():\n  while not loud.is_set(): time.sleep(1)",
     kReleases, kAtLeast},
    {"enters_a_context_of_its_own",
     "class Loud:\n  def __enter__(self): pass\n  def __exit__(self, *a): event.set()\n"
     "loud = Loud()\ndef beat():\n  while True:\n    with loud: pass\n    time.sleep(1)",
     kReleases, kAtLeast},
    {"is_traced",
     "def trace(f, e, a):\n  event.set()\n  return trace\nthreading.settrace(trace)\n"
     "def beat():\n  while True: time.sleep(0.01)",
     kReleases, kAtLeast},
    {"is_audited",
     "sys.addaudithook(lambda n, a: event.set())\n"
     "def beat():\n  while True: time.sleep(0.01)",
     kReleases, kAtLeast},
    {"names_its_class_like_a_lock",
     "def leave(self, *a): event.set()\n"
     "fake = type('_thread.lock', (), {'__enter__': lambda s: s, '__exit__': leave})()\n"
     "def beat():\n  while True:\n    with fake: pass\n    time.sleep(1)",
     kReleases, kAtLeast},
    {"imports_when_it_looks",
     "try:\n  exec('lazy import json')\n  def look(x): pass\nexcept SyntaxError:\n  json = 1\n"
     "  def look(x): event.set()\n"
     "def beat():\n  while True:\n    time.sleep(1)\n    look(json)",
     kReleases, kAtLeast},
    {"another_thread_may_change_what_it_calls",
     "def other():\n  while True:\n    time.sleep(1)\n    exec('time.sleep = event.set')\n"
     "threading.Thread(target=other, daemon=True).start()\n"
     "def beat():\n  while True: time.sleep(1)",
     kReleases, kAtLeast},
};

class CodeOfEachPython : public testing::TestWithParam<std::tuple<std::string, Case>> {};

TEST_P(CodeOfEachPython, DoesNoMoreThanWasRead) {
  const auto& [python, c] = GetParam();
  const Program program(python, c.body);

  const auto effects = program.read();

  ASSERT_TRUE(effects);
  const Result<Effects>* beat = nullptr;
  for (const auto& [tid, next] : effects->threads) beat = &next;
  ASSERT_NE(beat, nullptr);
  if (!*beat) {
    ASSERT_EQ((*beat).error().cause, Cause::Unsupported);
    ASSERT_TRUE(c.at_least || python != "/usr/bin/python3");
    GTEST_SKIP() << "not read";
  }
  const Effects& next = **beat;
  if (c.at_least) {
    EXPECT_TRUE((next.mask & c.mask) == c.mask || (next.mask & kUnknown) != 0) << next.mask;
  } else {
    EXPECT_EQ(next.mask, c.mask) << next.unknown;
  }
}

INSTANTIATE_TEST_SUITE_P(Live, CodeOfEachPython,
                         testing::Combine(testing::ValuesIn(pythons()), testing::ValuesIn(kCases)),
                         [](const auto& test) {
                           std::string name = std::get<0>(test.param);
                           for (char& c : name)
                             if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
                           return name + "_" + std::get<1>(test.param).name;
                         });

// ------------------------------------------------------------------ handlers

class HandlersOfEachPython : public testing::TestWithParam<std::string> {};

constexpr const char* kHandlers = R"(
import faulthandler
class Box:
    def __init__(self): self.stop = False
    def on(self, s, f): self.stop = True
box = Box()
def set_flag(s, f):
    global number
    number = 1
def put(s, f): items.put(s)
def note(s, f): seen.append(s)
def set_event(s, f): event.set()
def write(s, f): os.write(writer, b"x")
def leave(s, f): sys.exit(1)
def stop_now(s, f): raise SystemExit
class Ended(SystemExit): pass
def end(s, f): raise Ended
def say(s, f): print(signal.Signals(s).name)
def say_and_leave(s, f): print("ended by", s); sys.exit(1)
def exit_hard(s, f): os._exit(3)
def kill(s, f): os.kill(os.getppid(), s)
def unknown(s, f): eval("1")
import multiprocessing, subprocess
class Farm:
    def __init__(self):
        fork = multiprocessing.get_context("fork")
        self.workers = [fork.Process(target=time.sleep, args=(0,)) for _ in range(3)]
        for w in self.workers:
            w.start()
            w.join()
        self.program = subprocess.Popen(["true"])
        self.program.wait()
    def gather(self, *_):
        for w in self.workers: w.join()
        sys.exit(0)
    def stop(self, *_):
        for w in self.workers: w.terminate()
        self.program.wait(timeout=5)
farm = Farm()
for n, h in {1: set_flag, 3: note, 10: put, 12: set_event, 14: write, 15: leave, 16: stop_now,
             17: exit_hard, 18: kill, 25: say, 26: say_and_leave, 27: end, 20: box.on, 21: functools.partial(set_event),
             22: signal.default_int_handler, 23: unknown, 29: farm.gather, 31: farm.stop, 28: lambda n, f: None}.items():
    signal.signal(n, h)
faulthandler.register(24)
)";

TEST_P(HandlersOfEachPython, AreReadWithWhatTheyDo) {
  const Program program(GetParam(), kHandlers);

  const auto effects = program.read();

  ASSERT_TRUE(effects);
  if (!effects->handlers) GTEST_SKIP() << "not found in this version";
  std::map<int, const Handler*> handlers;
  for (const Handler& handler : *effects->handlers) handlers[handler.signal] = &handler;
  const std::map<int, std::uint32_t> masks = {
      {1, kHarmless},          {3, kHarmless},          {10, kReleases | kRaises},
      {12, kReleases},         {14, kWrites | kRaises}, {15, kLeaves},
      {16, kLeaves},           {17, kExits | kRaises},  {18, kSignals | kRaises},
      {20, kHarmless},         {21, kReleases},         {22, kLeaves},
      {24, kWrites},           {25, kWrites},           {26, kWrites | kLeaves},
      {27, kLeaves},           {28, kHarmless},         {29, kLeaves},
      {31, kSignals | kRaises}};
  for (const auto& [signal, mask] : masks) {
    ASSERT_TRUE(handlers.contains(signal)) << signal;
    const Handler& handler = *handlers[signal];
    if (!handler.effects && signal != 24) {
      ASSERT_NE(GetParam(), "/usr/bin/python3");
      continue;
    }
    EXPECT_EQ(handler.effects->mask, mask) << handler.name << ": " << handler.effects->unknown;
    EXPECT_EQ(handler.any_thread, signal == 24) << handler.name;
  }
  EXPECT_TRUE(!handlers[23]->effects || (handlers[23]->effects->mask & kUnknown) != 0);
  EXPECT_THAT(handlers[1]->name, testing::StartsWith("set_flag in program.py:"));
  EXPECT_EQ(handlers[24]->name, "faulthandler");
  EXPECT_THAT(handlers[24]->effects->fds, testing::ElementsAre(2));
}

constexpr const char* kTakers = R"(
gate, other = threading.Lock(), threading.Lock()
class Service:
    def __init__(self, lock): self.lock = lock
    def shut_down(self):
        with self.lock:
            event.set()
    def on_term(self, s, f):
        self.shut_down()
        os._exit(1)
mine, others = Service(gate), Service(other)
def acquire(s, f):
    gate.acquire()
    event.set()
def acquire_for_a_while(s, f):
    gate.acquire(timeout=1)
    event.set()
for n, h in {1: mine.on_term, 3: others.on_term, 10: acquire, 12: acquire_for_a_while}.items():
    signal.signal(n, h)
gate.acquire()
print("ready", flush=True)
gate.acquire()
)";

TEST_P(HandlersOfEachPython, GoNoFurtherThanTheLockThatTheirThreadWaitsFor) {
  const Program program(GetParam(), kTakers);

  const auto effects = program.read();

  ASSERT_TRUE(effects);
  if (!effects->handlers) GTEST_SKIP() << "not found in this version";
  for (const Handler& handler : *effects->handlers) {
    if (!handler.effects) continue;
    const bool stays = handler.signal == 1 || handler.signal == 10;
    EXPECT_EQ(handler.effects->mask == 0, stays)
        << handler.name << ": " << handler.effects->unknown;
  }
}

TEST_P(HandlersOfEachPython, WriteToTheWakeupFd) {
  const Program program(GetParam(),
                        "os.set_blocking(writer, False)\nsignal.set_wakeup_fd(writer)\n"
                        "signal.signal(15, lambda n, f: None)");

  const auto effects = program.read();

  ASSERT_TRUE(effects);
  if (!effects->handlers) GTEST_SKIP() << "not found in this version";
  for (const Handler& handler : *effects->handlers) {
    if (handler.signal == 15 && handler.effects) {
      EXPECT_EQ(handler.effects->mask, kWrites);
      EXPECT_EQ(handler.effects->fds.size(), 1U);  // which one depends on what we have open
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Live, HandlersOfEachPython, testing::ValuesIn(pythons()),
                         [](const auto& test) {
                           std::string name = test.param;
                           for (char& c : name)
                             if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
                           return name;
                         });

// ------------------------------------------------------------------ programs of chance

// Each statement, and what a run of it does that the program itself can see later.
struct Statement {
  const char* text;
  std::uint32_t effect;
};
constexpr Statement kStatements[] = {
    {"n += 1", 0},
    {"n = len(seen)", 0},
    {"seen.append(n)", 0},
    {"counter['x'] += 1", 0},
    {"counter.get('y', 1)", 0},
    {"text = f'{n} {text}'[:10]", 0},
    {"g = time.monotonic() - g", 0},
    {"f(n)", 0},
    {"box.n = n", 0},
    {"a, b = n, text", 0},
    {"with lock: n = 1", 0},
    {"hook = set_it", 0},
    {"hook()", kReleases},  // once it was rebound
    {"box.call = set_it", 0},
    {"box.call()", kReleases},
    {"table['f'] = set_it", 0},
    {"table['f']()", kReleases},
    {"funcs.append(set_it)", 0},
    {"funcs[-1]()", kReleases},
    {"event.set()", kReleases},
    {"os.write(writer, b'x')", kWrites},
    {"int('7') / (n - n + 1)", 0},
    {"1 / (n - n)", kEnds},
    {"if n > 1: break", kEnds},
    {"try: [][n]\n    except IndexError: set_it()", kReleases},
    {"[x for x in seen if x]", 0},
    {"Box.call = lambda self=None: set_it()", 0},
    {"setattr(box, 'call', set_it)", 0},
    {"table.update(f=set_it)", 0},
    {"funcs[0] = set_it", 0},
    {"funcs[0]()", kReleases},
    {"del box.call", kEnds},
    {"hook, n = set_it, 2", 0},
    {"apply(set_it)", kReleases},
    {"apply(*[set_it])", kReleases},
    {"apply(f=set_it)", kReleases},
    {"apply(nothing)", 0},
    {"relay(nothing)", 0},
    {"relay(set_it)", kReleases},
    {"maybe(n)", kReleases},
    {"[g() for g in funcs]", kReleases},
    {"for g in funcs: g()\n    g = 0.0", kReleases},
    {"for i in range(2): n += i", 0},
    {"try: f(n)\n    finally: n = 2", 0},
    {"try: int('x')\n    except ValueError: hook()", kReleases},
    {"with recursive: hook()", kReleases},
    {"raise SystemExit", kEnds},
    {"inner = lambda: set_it()\n    inner()", kReleases},
    {"m = event.set\n    m()", kReleases},
    {"(set_it if n > 1 else nothing)()", kReleases},
    {"n > 1 and set_it()", kReleases},
    {"x = [Noticing()]\n    x = None", kReleases},
    {"last.append(Noticing())", kReleases},
    {"seen[:] = []", 0},
    {"while n < 5: n += 1", 0},
    {"assert n < 3", kEnds},
    {"box.seen = Noticing()", kReleases},  // destroyed when it is replaced
    {"n = sum(1 for h in funcs)", 0},
    {"n = sum(h() is None for h in funcs)", kReleases},
    {"any(h() for h in funcs)", kReleases},
    {"text = ', '.join(str(x) for x in seen)", 0},
    {"list(h for h in funcs)[0]()", kReleases},
    {"m = box.call\n    m()", kReleases},
    {"mine = keep[0] if keep else 0", 0},
    {"mine = 0", kReleases},
    {"keep.clear()", kReleases},
    {"keep.append(Noticing())", 0},
    {"mine = box.keep", 0},
    {"box.keep = []", kReleases},
    {"mine, box.keep = box.keep, []", kReleases},
    {"for h in [x for x in box.keep]: n = 1", 0},
};
constexpr const char* kChanceBegin = R"(
def nothing(): pass
def set_it(): event.set()
def f(x): return x
def apply(f): return f()
def relay(*args, **kw): return apply(*args, **kw)
def maybe(n, calls=[]):
    calls.append(n)
    if len(calls) > 20: set_it()
class Noticing:
    def __del__(self): event.set()
class Box: pass
box = Box(); box.call = nothing; box.n = 0; box.seen = None; box.keep = [Noticing()]
keep = [Noticing()]
hook = nothing
table = {'f': nothing}
funcs = [nothing]
def beat():
  global hook
  n, text, g = 0, "", 0.0
  time.sleep(1)
  while True:
)";
constexpr const char* kChanceEnd = R"(
    time.sleep(0.001)
thread = threading.Thread(target=beat, name="beat", daemon=True)
thread.start()
del beat
print("ready", flush=True)
sys.stdin.readline()
time.sleep(1.4)
os.set_blocking(reader, False)
try: wrote = len(os.read(reader, 1))
except BlockingIOError: wrote = 0
print("did", (1 if event.is_set() else 0) | (4 if wrote else 0) | (0 if thread.is_alive() else 2048),
      flush=True)
)";

TEST(CodeOfChance, DoesNoMoreThanWasRead) {
  const char* rounds = std::getenv("IPCDOCTOR_CHANCE");  // more of them: by hand
  const char* seed = std::getenv("IPCDOCTOR_SEED");
  std::mt19937 random(seed == nullptr ? 20261128U : static_cast<unsigned>(std::atoi(seed)));
  int precise = 0;
  for (int round = 0; round < (rounds == nullptr ? 12 : std::atoi(rounds)); ++round) {
    std::string body = kChanceBegin;
    const int count = 1 + static_cast<int>(random() % 5);
    for (int i = 0; i < count; ++i)
      body += std::string("    ") + kStatements[random() % std::size(kStatements)].text + "\n";
    body += kChanceEnd;
    const auto all = pythons();
    const Program program(all[random() % all.size()], body);

    const auto effects = program.read();
    program.go_on();

    ASSERT_TRUE(effects && effects->threads.size() == 1) << body;
    ASSERT_TRUE(effects->threads[0].second) << body;
    const std::uint32_t mask = effects->threads[0].second->mask;
    const std::string line = program.read_line();
    ASSERT_THAT(line, testing::StartsWith("did ")) << body;
    const auto did = static_cast<std::uint32_t>(std::stoul(line.substr(4)));
    if ((mask & kUnknown) != 0) continue;
    ++precise;
    if (rounds != nullptr) std::printf("%x of %x\n", did, mask);
    EXPECT_EQ(did & ~mask, 0U) << body << "mask " << mask;
  }
  EXPECT_GT(precise, 0);
  RecordProperty("precise", precise);
}

// ------------------------------------------------------------------ loops that poll

constexpr const char* kPollingBegin = R"(
import multiprocessing as mp, subprocess
mp.set_start_method("fork")
def child(r): r.recv()
r, w = mp.Pipe(False)
ps = [mp.Process(target=child, args=(r,)) for _ in range(2)]
for p in ps: p.start()
pid = p.pid
mq, flag, other = mp.Queue(), mp.Event(), mp.Lock()
other.acquire()
conn, far = mp.Pipe()
popen = subprocess.Popen(["sleep", "1000"])
todo, more, running = list(range(60)), list(range(2000)), True
some, others = [[os.dup(conn.fileno()) for _ in range(200)] for _ in range(2)]
import atexit
atexit.register(lambda: [x.kill() for x in ps + [popen]])
)";

struct Poll {
  const char* name;
  const char* body;  // of beat()
  bool polls;        // and nothing else
};
void PrintTo(const Poll& c, std::ostream* out) {
  *out << c.name;
}

const Poll kPolls[] = {
    {"asks_for_a_child", "while p.is_alive(): time.sleep(0.05)", true},
    {"asks_for_any_of_them", "while any(x.is_alive() for x in ps): time.sleep(0.05)", true},
    {"asks_for_all_of_them", "while not all(not x.is_alive() for x in ps): time.sleep(0.05)", true},
    {"lists_those_that_live", "while [x for x in ps if x.is_alive()]: time.sleep(0.05)", true},
    {"counts_those_that_live", "while len([x for x in ps if x.is_alive()]) > 0: time.sleep(0.05)",
     true},
    {"joins_with_a_timeout", "while p.exitcode is None: p.join(timeout=0.05)", true},
    {"gets_with_a_timeout",
     "while True:\n    try: return mq.get(timeout=0.05)\n    except queue.Empty: continue", true},
    {"gets_while_somebody_lives",
     "while True:\n    try: return mq.get(timeout=0.05)\n    except queue.Empty:\n"
     "      if not p.is_alive(): raise",
     true},
    {"polls_a_connection", "while not conn.poll(0.05): pass", true},
    {"polls_a_process", "while popen.poll() is None: time.sleep(0.05)", true},
    {"waits_for_a_process",
     "while True:\n    try: return popen.wait(timeout=0.05)\n"
     "    except subprocess.TimeoutExpired: pass",
     true},
    {"waits_without_a_stop", "while os.waitpid(pid, os.WNOHANG) == (0, 0): time.sleep(0.05)", true},
    {"unpacks_the_answer",
     "while True:\n    got, status = os.waitpid(pid, os.WNOHANG)\n    if got: return\n"
     "    time.sleep(0.05)",
     true},
    {"takes_a_lock_with_a_timeout", "while not other.acquire(timeout=0.05): pass", true},
    {"waits_for_an_event", "while not flag.wait(0.05): pass", true},
    {"waits_for_an_event_of_threads", "while not stop.wait(0.05): pass", true},
    {"takes_from_threads",
     "while True:\n    try: return items.get(timeout=0.05)\n    except queue.Empty: pass", true},
    {"asks_a_flag_besides", "while running and p.is_alive(): time.sleep(0.05)", true},
    {"says_so", "while p.is_alive():\n    print('waits', file=sys.stderr)\n    time.sleep(0.05)",
     true},
    {"asks_for_many", "while not mp.connection.wait(some, 0.05): time.sleep(0.05)", true},
    {"takes_a_lock_of_threads_with_a_timeout", "while not held.acquire(timeout=0.05): pass", true},
    {"tries_a_lock_of_threads", "while not held.acquire(False): time.sleep(0.05)", true},
    {"tries_a_lock_of_threads_by_name",
     "while True:\n    if held.acquire(blocking=False): return\n    time.sleep(0.05)", true},
    {"goes_over_a_list_of_its_own",
     "mine = list(ps)\n  while True:\n    for x in mine:\n      if not x.is_alive(): return\n"
     "    time.sleep(0.05)",
     true},
    {"joins_each_of_a_list_of_its_own",
     "mine = ps[:]\n  while any(x.is_alive() for x in mine):\n    for x in mine: x.join(0.05)",
     true},
    {"asks_for_one_after_the_other", "for x in ps:\n    while x.is_alive(): time.sleep(0.05)",
     true},
    // What ends by itself, or does something, or asks for more than can be kept.
    {"takes_a_free_lock_of_threads", "while not lock.acquire(timeout=0.05): pass", false},
    {"tries_a_lock_of_threads_ten_times",
     "for _ in range(1000):\n    if held.acquire(timeout=0.05): return", false},
    {"takes_its_own_recursive_lock",
     "recursive.acquire()\n  while not recursive.acquire(timeout=0.05): pass\n  time.sleep(1000)",
     false},
    {"takes_items_off_a_list_of_its_own",
     "mine = list(ps) * 999\n  while mine:\n    x = mine.pop()\n    if x.is_alive(): "
     "time.sleep(0.05)",
     false},
    {"asks_for_too_many",
     "while not mp.connection.wait(some, 0.05) and not mp.connection.wait(others, 0.05): pass",
     false},
    {"counts_attempts",
     "for _ in range(1000):\n    if not p.is_alive(): return\n"
     "    time.sleep(0.05)",
     false},
    {"counts_up", "n = 0\n  while p.is_alive() and n < 1000:\n    n += 1\n    time.sleep(0.05)",
     false},
    {"has_a_deadline",
     "end = time.monotonic() + 50\n"
     "  while p.is_alive() and time.monotonic() < end: time.sleep(0.05)",
     false},
    {"has_a_deadline_in_a_generator",
     "end = time.time() + 50\n"
     "  while any(x.is_alive() and time.time() < end for x in ps): time.sleep(0.05)",
     false},
    {"uses_up_a_list", "while todo and p.is_alive():\n    todo.pop()\n    time.sleep(0.05)", false},
    {"fills_a_list",
     "done = []\n  while len(done) < 999 and p.is_alive():\n    done.append(1)\n"
     "    time.sleep(0.05)",
     false},
    {"runs_out_of_a_list",
     "n = 0\n  while p.is_alive():\n    more[n]\n    n += 1\n"
     "    time.sleep(0.05)",
     false},
    {"acts_on_an_empty_queue",
     "n = 0\n  while True:\n    try: return mq.get(timeout=0.05)\n    except queue.Empty:\n"
     "      n += 1\n      if n > 999: event.set()",
     false},
    {"does_not_catch_it", "while True: mq.get(timeout=50)", false},
    {"catches_another", "while True:\n    try: mq.get(timeout=50)\n    except queue.Full: pass",
     false},
    {"puts", "while p.is_alive():\n    mq.put(1)\n    time.sleep(0.05)", false},
    {"sends", "while p.is_alive():\n    w.send(1)\n    time.sleep(5)", false},
    {"sets_an_event", "while p.is_alive():\n    event.set()\n    time.sleep(0.05)", false},
    {"kills_later",
     "t = time.time()\n  while p.is_alive():\n    time.sleep(0.05)\n"
     "    if time.time() - t > 50: p.terminate()",
     false},
    {"looks_for_a_file",
     "while p.is_alive() and not os.path.exists('/nonexistent/file'):\n"
     "    time.sleep(0.05)",
     false},
    {"changes_the_flag_itself",
     "global running\n  while running and p.is_alive():\n    time.sleep(0.05)\n"
     "    running = time.time() < 1e10",
     false},
    {"polls_another_each_time",
     "n = 0\n  while (p if n < 999 else ps[0]).is_alive():\n    n += 1\n    time.sleep(0.05)\n"
     "    if n == 9999: return",
     false},
    {"only_sleeps", "while True: time.sleep(0.05)", false},
    {"sleeps_and_ends", "time.sleep(50)", false},
};

class LoopsOfEachPython : public testing::TestWithParam<std::tuple<std::string, Poll>> {};

TEST_P(LoopsOfEachPython, AreReadWithWhatTheyAskFor) {
  const auto& [python, c] = GetParam();
  const Program program(python, kPollingBegin + std::string("def beat():\n  ") + c.body + "\n");

  // It may be read while it is awake.
  std::size_t found = 0;
  bool read = false;
  for (int look = 0; look < 5 && found == 0; ++look) {
    const auto effects = program.read();
    ASSERT_TRUE(effects);
    if (effects->threads.empty()) GTEST_SKIP() << "not read in this version";
    read = true;
    found = effects->polling.size();
    if (!c.polls) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(17));
  }
  EXPECT_TRUE(read);
  if (python != "/usr/bin/python3" && c.polls) GTEST_SKIP() << found;
  EXPECT_EQ(found, c.polls ? 1U : 0U);
}

INSTANTIATE_TEST_SUITE_P(Live, LoopsOfEachPython,
                         testing::Combine(testing::ValuesIn(pythons()), testing::ValuesIn(kPolls)),
                         [](const auto& test) {
                           std::string name = std::get<0>(test.param);
                           for (char& c : name)
                             if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
                           return name + "_" + std::get<1>(test.param).name;
                         });

constexpr const char* kQuestions[] = {
    "n += 1",
    "n = 0",
    "if n > 40: break",
    "if n: running = False",
    "if not running: break",
    "if not p.is_alive(): break",
    "if p.is_alive(): n += 1",
    "if any(x.is_alive() for x in ps): pass\n    else: break",
    "if all(x.is_alive() for x in ps): n += 1",
    "if any(x.is_alive() and n > 9 for x in ps): break",
    "if all(n < 9 or not x.is_alive() for x in ps): break",
    "live = [x for x in ps if x.is_alive()]",
    "if not live: set_it()",
    "if len(live) > 2: break",
    "live.append(p)",
    "ps.append(p)",
    "for x in ps:\n      if not x.is_alive(): break\n    else: n += 1",
    "for x in ps:\n      if x.is_alive(): continue\n      set_it()",
    "try: mq.get(timeout=0.001)\n    except queue.Empty: pass",
    "try: mq.get_nowait()\n    except queue.Empty: n += 1",
    "try: mq.get(timeout=0.001)\n    except queue.Full: pass\n    except Exception: n += 1",
    "try: mq.get(False)\n    finally: n += 1",
    "if conn.poll(): break",
    "if popen.poll() is not None: break",
    "code = popen.poll()",
    "if code is not None or n > 30: set_it()",
    "got, status = os.waitpid(pid, os.WNOHANG)",
    "if got != 0: break",
    "if got == 0 and n > 20: break",
    "if other.acquire(timeout=0.001): break",
    "if flag.is_set(): break",
    "if stop.is_set() or event.is_set(): break",
    "if todo: todo.pop()",
    "if not todo: break",
    "if time.time() > end: break",
    "try: items.get(timeout=0.001)\n    except queue.Empty: f(n)",
    "if items.empty() and n > 5: set_it()",
    "p, first = first, p",
    "x = p",
    "if not x.is_alive(): break",
    "hook = set_it if n > 10 else nothing",
    "hook()",
    "running = p.is_alive()",
    "while not running: time.sleep(0.001)",
    "os.write(writer, b'x')",
    "set_it()",
    "state['n'] = n",
    "if state['n'] > 7: break",
    "box.n = box.n + 1",
    "if box.n > 15: break",
};

TEST(LoopsOfChance, GoOnAsTheyWereRead) {
  const char* rounds = std::getenv("IPCDOCTOR_CHANCE");
  const char* seed = std::getenv("IPCDOCTOR_SEED");
  std::mt19937 random(seed == nullptr ? 20261128U : static_cast<unsigned>(std::atoi(seed)));
  int polling = 0;
  for (int round = 0; round < (rounds == nullptr ? 12 : std::atoi(rounds)); ++round) {
    std::string body = kPollingBegin + std::string(R"(
def nothing(): pass
def set_it(): event.set()
def f(x): return x
class Box: pass
box = Box(); box.n = 0
state = {'n': 0}
end = time.time() + 1.2
first, hook = ps[0], nothing
def beat():
  global p, first, hook, running
  n, got, code, x, live = 0, 0, None, p, ps[:1]
  while p.is_alive():
)");
    const int count = 1 + static_cast<int>(random() % 5);
    for (int i = 0; i < count; ++i)
      body += std::string("    ") + kQuestions[random() % std::size(kQuestions)] + "\n";
    body += R"(
    time.sleep(0.005)
thread = threading.Thread(target=beat, name="beat", daemon=True)
thread.start()
del beat
print("ready", flush=True)
sys.stdin.readline()
time.sleep(1.5)
os.set_blocking(reader, False)
try: wrote = len(os.read(reader, 1))
except BlockingIOError: wrote = 0
print("did", (1 if event.is_set() else 0) | (4 if wrote else 0) | (0 if thread.is_alive() else 2048),
      flush=True)
)";
    const auto all = pythons();
    const Program program(all[random() % all.size()], body);

    const auto effects = program.read();
    program.go_on();

    ASSERT_TRUE(effects) << body;
    const std::string line = program.read_line();
    ASSERT_THAT(line, testing::StartsWith("did ")) << body;
    if (effects->polling.empty()) continue;
    ++polling;
    EXPECT_EQ(line, "did 0") << body;
  }
  RecordProperty("polling", polling);
  if (rounds != nullptr) std::printf("%d of %s poll\n", polling, rounds);
}

}  // namespace
}  // namespace ipcdoctor::runtime::cpython
