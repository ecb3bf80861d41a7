#include "collect/helper.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <new>
#include <optional>
#include <utility>

#include "linux/big_pages.h"
#include "linux/broker.h"
#include "linux/deputy.h"
#include "linux/proc_stat.h"
#include "linux/reap.h"
#include "linux/unique_fd.h"

namespace ipcdoctor::collect {
namespace {

using Clock = Progress::Clock;
using std::chrono::milliseconds;

constexpr int kMaxStarts = 8;
constexpr milliseconds kTick{20};
constexpr std::uint64_t kMaxAnswer = std::uint64_t{1} << 30;
constexpr int kOutOfMemory = 93;    // its exit code then
constexpr int kPipeSize = 1 << 20;  // what anybody may ask for by default: pipe(7)
// Parsing big debug information is work, not a hang: so much longer may it be on a processor. On a
// busy machine that is little of the time that goes by.
constexpr int kBusyFactor = 4;

/// Memory that the helper and we both see.
class SharedPage {
 public:
  SharedPage()
      : memory_(::mmap(nullptr, sizeof(SharedProgress), PROT_READ | PROT_WRITE,
                       MAP_SHARED | MAP_ANONYMOUS, -1, 0)) {
    if (memory_ != MAP_FAILED) new (memory_) SharedProgress;
  }
  ~SharedPage() {
    if (memory_ != MAP_FAILED)
      (void)::munmap(memory_, sizeof(SharedProgress));  // cannot fail for what mmap gave
  }
  SharedPage(const SharedPage&) = delete;
  SharedPage& operator=(const SharedPage&) = delete;
  bool is_mapped() const { return memory_ != MAP_FAILED; }
  SharedProgress& operator*() const { return *static_cast<SharedProgress*>(memory_); }

 private:
  void* memory_;
};

/// Ends us where it fails: what would follow half an answer is none, and who should read it has
/// gone.
void write_all(int fd, const char* data, std::size_t size) {
  while (size > 0) {
    const ssize_t n = ::write(fd, data, size);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) ::_exit(1);
    data += n;
    size -= static_cast<std::size_t>(n);
  }
}

[[noreturn]] void run_child(pid_t parent, int out, int ancestor, SharedProgress& shared,
                            const std::vector<Mark>& skip, Clock::time_point deadline,
                            const Work& work) {
  (void)::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(0);  // it died before the line above
  // our copies of the user's pipes must not keep them open, nor be found among the holders
  if (ancestor >= 0) ancestor = ::fcntl(ancestor, F_DUPFD_CLOEXEC, 5);  // out of the way of out
  if (out != 3) (void)::dup2(out, 3);
  const bool asks = ancestor >= 0 && ::dup3(ancestor, 4, O_CLOEXEC) == 4;
  if (asks) linux::Broker::use(4);
  (void)::close_range(asks ? 5 : 4, ~0U, 0);
  (void)::close(0);
  (void)::close(1);
  (void)::fcntl(3, F_SETFD, FD_CLOEXEC);
  for (const int signal : {SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGPIPE})
    (void)::signal(signal, SIG_DFL);
  struct rlimit files {};
  if (::getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    (void)::setrlimit(RLIMIT_NOFILE, &files);  // one directory for each process: as many as we may
  }
  struct rlimit core {};
  (void)::setrlimit(RLIMIT_CORE,
                    &core);  // a crash on hostile input leaves no file with the target's data
  // Where memory is short the kernel shall end us, and neither the patient nor a neighbour of his:
  // proc_pid_oom_score_adj(5); anybody may raise it.
  if (const linux::UniqueFd file(::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC));
      file.is_open())
    (void)!::write(file.get(), "1000", 4);
  // parsers without rights, which are forked from here, shall not speak for us
  (void)::madvise(&shared, sizeof shared, MADV_DONTFORK);
  std::set_new_handler([] { ::_exit(kOutOfMemory); });
  // without one all is read with the rights that are there
  (void)linux::deputy::start(3);
  shared.deputy.store(linux::deputy::pid());
  linux::use_big_pages();
  Progress progress(shared, skip, deadline);
  work(progress, [&](const std::string& bytes) {
    const std::uint64_t size = bytes.size();
    write_all(3, reinterpret_cast<const char*>(&size), sizeof size);
    write_all(3, bytes.data(), bytes.size());
    progress.step();
  });
  ::_exit(0);
}

/// Takes whole answers off the front; keeps the last one.
void take_answers(std::string& buffer, std::optional<std::string>& answer) {
  for (;;) {
    std::uint64_t size = 0;
    if (buffer.size() < sizeof size) return;
    std::memcpy(&size, buffer.data(), sizeof size);
    if (size > kMaxAnswer || buffer.size() - sizeof size < size) return;
    std::string rest = buffer.substr(sizeof size + size);  // mostly none
    buffer.resize(sizeof size + size);
    buffer.erase(0, sizeof size);
    answer = std::exchange(buffer, std::move(rest));
  }
}

/// One helper, watched.
class Watched {
 public:
  /// @param skip  what it leaves out already
  Watched(pid_t pid, linux::UniqueFd in, SharedProgress& shared, const std::vector<Mark>& skip)
      : pid_(pid), in_(std::move(in)), shared_(shared), skip_(skip) {}

  enum class End { Finished, Stalled, Crashed, OutOfMemory, Late };

  End watch(const Limits& limits, Clock::time_point deadline, std::optional<std::string>& answer) {
    std::uint64_t steps = shared_.steps.load();
    Clock::time_point last = Clock::now();
    Clock::time_point ran = last;
    milliseconds worked = processor_time(), used = worked;
    std::string buffer;
    for (;;) {
      struct pollfd ready {
        in_.get(), POLLIN, 0
      };
      const int n = ::poll(&ready, 1, static_cast<int>(kTick.count()));
      if (limits.tick) limits.tick();
      if (n > 0 && !read_some(buffer)) {
        take_answers(buffer, answer);
        return reap();
      }
      take_answers(buffer, answer);
      const auto now = Clock::now();
      if (now >= deadline) return kill(End::Late);
      // on a machine that others use up neither may be seen awake while they ask each other
      if (const milliseconds so_far = processor_time(); so_far != used) {
        used = so_far;
        ran = now;
      }
      const std::uint64_t now_steps = shared_.steps.load(std::memory_order_acquire);
      if (n > 0 || now_steps != steps) {
        steps = now_steps;
        last = now;
        worked = used;
      } else if (now - last >= limits.patience && can_leave_out(mark()) &&
                 ((now - ran >= limits.patience / 2 && !is_busy()) ||
                  used - worked >= limits.patience * kBusyFactor)) {
        return kill(End::Stalled);
      }
    }
  }

  /// What it is doing.
  Mark mark() const { return {shared_.pid.load(), shared_.tid.load(), shared_.fact.load()}; }
  /// Another helper would get on without that; else there is but to wait for this one.
  bool can_leave_out(const Mark& mark) const {
    return mark.fact != Fact::None && std::ranges::find(skip_, mark) == skip_.end();
  }

 private:
  /// false at the end of the stream.
  bool read_some(std::string& buffer) {
    char piece[16384];  // RLIMIT_STACK may be small
    const ssize_t n = ::read(in_.get(), piece, sizeof piece);
    if (n < 0) return errno == EINTR || errno == EAGAIN;
    buffer.append(piece, static_cast<std::size_t>(n));
    return n > 0;
  }

  /// Of the helper and its deputy.
  milliseconds processor_time() const {
    return processor_time_of(pid_) + processor_time_of(shared_.deputy.load());
  }

  static milliseconds processor_time_of(pid_t pid) {
    clockid_t clock{};
    struct timespec time {};
    if (pid <= 0 || ::clock_getcpuclockid(pid, &clock) != 0 || ::clock_gettime(clock, &time) != 0)
      return {};  // it has ended
    return std::chrono::duration_cast<milliseconds>(std::chrono::seconds(time.tv_sec) +
                                                    std::chrono::nanoseconds(time.tv_nsec));
  }

  bool is_busy() const { return is_busy(pid_) || is_busy(shared_.deputy.load()); }

  static bool is_busy(pid_t pid) {
    if (pid <= 0) return false;
    const auto dir = linux::ProcDir::open(Pid{pid});
    const auto stat = dir ? linux::read_stat(*dir) : Result<linux::Stat>(dir.error());
    return stat && stat->state == 'R';
  }

  End reap() {
    const auto status = linux::reap(pid_, milliseconds(1000));
    if (!status || !WIFEXITED(*status)) return End::Crashed;
    if (WEXITSTATUS(*status) == kOutOfMemory) return End::OutOfMemory;
    return WEXITSTATUS(*status) == 0 ? End::Finished : End::Crashed;
  }

  End kill(End end) {
    (void)::kill(pid_, SIGKILL);  // our own child, not yet reaped: the number is still its
    (void)linux::reap(pid_, milliseconds(100));
    return end;
  }

  pid_t pid_;
  linux::UniqueFd in_;
  SharedProgress& shared_;
  const std::vector<Mark>& skip_;
};

/// Why there is no answer at all.
Error no_answer(Watched::End end, milliseconds deadline) {
  switch (end) {
    case Watched::End::Crashed:
      return Error{Cause::Other, 0, "collect: the helper process crashed or was killed"};
    case Watched::End::OutOfMemory:
      return Error{Cause::Limit, 0, "collect: the helper process ran out of memory"};
    default:
      return Error{
          Cause::TimedOut, 0,
          fmt::format("collect: the helper process gave no answer in time ({:g} s; a longer "
                      "--timeout may help)",
                      std::chrono::duration<double>(deadline).count())};
  }
}

}  // namespace

Result<std::string> run_in_helper(const Limits& limits, const Work& work) {
  const SharedPage page;
  if (!page.is_mapped()) return Error{cause_of(errno), errno, "map shared memory"};
  const auto deadline = Clock::now() + limits.deadline;
  std::vector<Mark> skip;
  std::optional<std::string> answer;
  auto end = Watched::End::Late;
  for (int start = 0; start < kMaxStarts; ++start) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return Error{cause_of(errno), errno, "make a pipe"};
    linux::UniqueFd in(ends[0]), out(ends[1]);
    (void)::fcntl(out.get(), F_SETPIPE_SZ, kPipeSize);  // fewer turns; it works without
    std::optional<linux::Broker> broker;
    if (limits.ask_ancestor)
      if (auto made = linux::Broker::make()) broker = *std::move(made);
    const pid_t parent = ::getpid();
    const auto soft = Clock::now() + (deadline - Clock::now()) * 4 / 5;
    const pid_t pid = ::fork();
    if (pid < 0) return Error{cause_of(errno), errno, "start a helper process"};
    if (pid == 0)
      run_child(parent, out.get(), broker ? broker->helper_side() : -1, *page, skip, soft, work);
    out.reset();
    if (broker) broker->serve();
    Watched watched(pid, std::move(in), *page, skip);
    end = watched.watch(limits, deadline, answer);
    // what a first one sent early is no answer where it crashed: that is told instead
    if (start == 0 && (end == Watched::End::Crashed || end == Watched::End::OutOfMemory))
      answer.reset();
    if (end == Watched::End::Finished || end == Watched::End::Late) break;
    const Mark mark = watched.mark();
    if (!watched.can_leave_out(mark)) break;  // it would crash again
    skip.push_back(mark);
  }
  if (!answer) return no_answer(end, limits.deadline);
  return std::move(*answer);
}

}  // namespace ipcdoctor::collect
