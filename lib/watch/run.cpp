#include "watch/run.h"

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <ctime>
#include <utility>

#include "watch/child.h"

namespace ipcdoctor::watch {
namespace {

using namespace std::chrono_literals;

/// A wait that takes so much longer than it should was no wait: we were stopped.
constexpr auto kStopped = 500ms;
constexpr int kForwarded[] = {SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2};

/// Blocks the signals that we wait for, and that of a reader of our report who has gone: the
/// command is to be ended all the same. Gives the mask back when it dies.
class BlockedSignals {
 public:
  BlockedSignals() {
    ::sigemptyset(&set_);
    ::sigaddset(&set_, SIGCHLD);
    for (const int signal : kForwarded) ::sigaddset(&set_, signal);
    ::sigemptyset(&no_reader_);
    ::sigaddset(&no_reader_, SIGPIPE);
    ::sigprocmask(SIG_BLOCK, &set_, &before_);
    ::sigprocmask(SIG_BLOCK, &no_reader_, nullptr);
  }
  BlockedSignals(const BlockedSignals&) = delete;
  BlockedSignals& operator=(const BlockedSignals&) = delete;
  ~BlockedSignals() {
    const timespec now{};
    while (::sigtimedwait(&no_reader_, nullptr, &now) > 0) {  // write(2) has told it too
    }
    ::sigprocmask(SIG_SETMASK, &before_, nullptr);
  }

  const sigset_t& before() const { return before_; }

  /// The next one, or 0 after `patience`.
  int wait(std::chrono::nanoseconds patience, siginfo_t& info) const {
    if (patience < 0ns) patience = 0ns;
    const auto whole = std::chrono::duration_cast<std::chrono::seconds>(patience);
    const timespec time{whole.count(), (patience - whole).count()};
    const int signal = ::sigtimedwait(&set_, &info, &time);
    return signal < 0 ? 0 : signal;  // EAGAIN: time is over; EINTR: another signal, look again
  }

 private:
  sigset_t set_{};
  sigset_t no_reader_{};
  sigset_t before_{};
};

class Runner {
 public:
  Runner(Pid child, const RunOptions& options, const OnHang& on_hang, const BlockedSignals& signals)
      : child_(child),
        options_(options),
        on_hang_(on_hang),
        signals_(signals),
        watch_({child}, options.hang) {}

  RunOutcome run() {
    auto begin = Clock::now();
    auto next_look = begin + watch_.pause();
    while (!exited_) {
      auto until = next_look;
      if (has_timeout()) until = std::min(until, begin + options_.timeout);
      wait_for_signal(until - Clock::now());
      if (exited_) break;
      const auto now = Clock::now();
      if (now - until > kStopped) begin += now - until;  // Ctrl-Z stops the command's time too
      if (has_timeout() && now - begin >= options_.timeout) {
        over_ = true;
        report(Why::TimeIsOver, watch_.last_look());
        if (!options_.keep) end();
      } else if (now >= next_look) {
        if (!over_) look(now);
        next_look = Clock::now() + watch_.pause();
      }
    }
    return outcome_;
  }

 private:
  bool has_timeout() const { return options_.timeout > 0ms && !over_; }

  void wait_for_signal(std::chrono::nanoseconds patience) {
    siginfo_t info{};
    const int signal = signals_.wait(patience, info);
    if (signal == SIGCHLD) return reap();
    // SI_KERNEL: from the terminal, whose whole foreground group got it, the command included.
    if (signal == 0 || info.si_code == SI_KERNEL) return;
    const bool ends = signal != SIGUSR1 && signal != SIGUSR2;
    if (ends && !over_ && !std::exchange(told_to_end_, true) && watch_.is_calm())
      report(Why::ToldToEnd, watch_.hasty_look(Clock::now()));
    (void)::kill(child_.value, signal);  // gone: SIGCHLD tells
  }

  void reap() {
    int status = 0;
    for (pid_t pid = ::waitpid(-1, &status, WNOHANG); pid > 0;
         pid = ::waitpid(-1, &status, WNOHANG)) {
      if (pid != child_.value) continue;  // an orphan of the command
      exited_ = true;
      outcome_.wait_status = status;
    }
  }

  /// A part that hangs is told once, and again when it has grown to the whole; before that, once,
  /// what only an outsider could help.
  void look(Clock::time_point now) {
    Result<std::optional<Hang>> hang = watch_.look(now);
    if (!hang) return tell_refusal(hang.error());
    if (!*hang) return;
    if ((*hang)->conditional) {
      if (!std::exchange(condition_is_told_, true) && !part_is_told_)
        on_hang_(Why::MayHang, std::move((*hang)->snapshot));
      return;
    }
    if (!(*hang)->enough) {
      if (!std::exchange(need_is_told_, true) && !part_is_told_)
        on_hang_(Why::NeedsHelp, std::move((*hang)->snapshot));
      return;
    }
    const bool whole = (*hang)->of_a_root || options_.fail_fast;
    if (!whole && part_is_told_) return;
    part_is_told_ = true;
    over_ = whole;
    on_hang_(whole ? Why::Hangs : Why::PartHangs, std::move((*hang)->snapshot));
    if (whole && !options_.keep) end();
  }

  void report(Why why, Result<snapshot::Snapshot> snapshot) {
    if (!snapshot) return tell_refusal(snapshot.error());
    on_hang_(why, *std::move(snapshot));
  }

  /// Gone: SIGCHLD is on its way; what failed otherwise may succeed the next time.
  void tell_refusal(const Error& why) {
    if (why.cause != Cause::Denied || std::exchange(refusal_is_told_, true)) return;
    if (options_.on_refusal) options_.on_refusal(why);
  }

  /// TERM, and KILL for what is still there when time is over. A stopped one must run to notice.
  void end() {
    outcome_.ended_by_us = true;
    const std::vector<Pid> ours{Pid{::getpid()}};  // orphans have come to us
    const Pid self = ours.front();
    signal_tree(ours, SIGTERM, self);
    signal_tree(ours, SIGCONT, self);
    const auto deadline = Clock::now() + options_.kill_after;
    while (children_left() && Clock::now() < deadline) wait_for_signal(50ms);
    // Each round kills what the one before had yet to reveal; D state may outlast all of them.
    for (int round = 0; round < 50 && children_left(); ++round) {
      signal_tree(ours, SIGKILL, self);
      wait_for_signal(100ms);
      reap();
    }
    exited_ = true;
  }

  bool children_left() {
    reap();
    siginfo_t info{};
    return ::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 || errno != ECHILD;
  }

  Pid child_;
  const RunOptions& options_;
  const OnHang& on_hang_;
  const BlockedSignals& signals_;
  HangWatch watch_;
  bool exited_ = false;
  bool part_is_told_ = false;
  bool need_is_told_ = false;
  bool condition_is_told_ = false;
  bool told_to_end_ = false;
  bool refusal_is_told_ = false;
  bool over_ = false;  ///< it hangs or its time is over: nothing more to look for
  RunOutcome outcome_;
};

}  // namespace

Result<RunOutcome> run(const std::vector<std::string>& argv, const RunOptions& options,
                       const OnHang& on_hang) {
  (void)::prctl(PR_SET_CHILD_SUBREAPER, 1);  // without it only orphans escape: the rest still works
  const BlockedSignals signals;
  const Result<Pid> child =
      start_child(argv, {.mask = &signals.before(), .death_signal = options.keep ? 0 : SIGTERM});
  if (!child) return child.error();
  return Runner(*child, options, on_hang, signals).run();
}

}  // namespace ipcdoctor::watch
