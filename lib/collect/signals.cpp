#include "collect/signals.h"

#include <csignal>

#include <algorithm>
#include <optional>

#include "collect/surroundings.h"
#include "linux/fdinfo.h"
#include "linux/proc_timers.h"
#include "snapshot/known_programs.h"

namespace ipcdoctor::collect {
namespace {

constexpr std::uint64_t bit(int signal) {
  return std::uint64_t{1} << (signal - 1);
}
constexpr int kThreadTimerSignal = 32;  // SIGTIMER of glibc: SIGEV_THREAD

/// What nobody could read may be so, and is a gap.
bool unless_gone(System& system, const ProcessEntry& process, const Error& why) {
  if (snapshot::is_of_tree(process.scope)) system.note_unseen(process.pid, Tid{}, why);
  return why.cause != Cause::Gone;
}

bool has_timer(System& system, const ProcessEntry& process, std::uint64_t caught) {
  const auto timers = linux::read_timers(*process.dir);
  if (!timers) return unless_gone(system, process, timers.error());
  return std::ranges::any_of(*timers, [&](const linux::PosixTimer& timer) {
    if (timer.notify == linux::TimerNotify::None) return false;
    if (timer.notify == linux::TimerNotify::Thread || timer.signal == kThreadTimerSignal)
      return true;
    return timer.signal >= 1 && timer.signal <= 64 && (caught & bit(timer.signal)) != 0;
  });
}

bool has_async_file(System& system, const ProcessEntry& process) {
  if (!process.fds) return true;
  return std::ranges::any_of(*process.fds, [&](const snapshot::Fd& fd) {
    const bool can = fd.object.kind != snapshot::ObjectKind::File &&
                     fd.object.kind != snapshot::ObjectKind::Directory;
    if (!can) return false;
    const auto flags = linux::read_fd_flags(*process.dir, fd.fd);
    return flags ? (*flags & 020000) != 0 : unless_gone(system, process, flags.error());
  });
}

bool waits_for_signal(const ProcessEntry& process) {
  return std::ranges::any_of(process.threads, [](const ThreadEntry& t) {
    return t.out.wait && t.out.wait->kind == snapshot::WaitKind::Signal;
  });
}

/// Whether an alarm of any process counts down. The list alone proves nothing: the kernel lets go
/// of it after each timer, and leaves one out when another expires meanwhile (print_active_timers()
/// of kernel/time/timer_list.c, Linux 6.1).
class Alarms {
 public:
  explicit Alarms(System& system) : system_(system) {}

  /// nullopt: not known, or too little.
  std::optional<bool> is_armed(const ProcessEntry& process) {
    const auto task = system_.kernel_task(Tid{process.pid.value});
    if (!task) return std::nullopt;
    return (*task)->alarm_armed;
  }
  /// One was seen, of whatever process.
  bool is_any_seen() {
    constexpr int kReads = 3;
    for (; reads_ < kReads && !seen_; ++reads_) {
      const auto armed = linux::read_real_timer_armed(system_.proc());
      if (!armed) reads_ = kReads;  // nor would it be the next time
      seen_ = armed && *armed;
    }
    return seen_;
  }

 private:
  System& system_;
  int reads_ = 0;
  bool seen_ = false;
};

void read_alarm(Alarms& alarms, ProcessEntry& process) {
  if ((process.status->ignored & bit(SIGALRM)) != 0) return;
  const bool caught = (process.status->caught & bit(SIGALRM)) != 0;
  if (caught) {
    const auto armed = alarms.is_armed(process);
    process.out.timer_possible = armed ? *armed : alarms.is_any_seen();
    process.out.alarm_possible = armed.value_or(true);
  } else if (waits_for_signal(process) && alarms.is_any_seen()) {
    // one that kills matters to those who wait for a signal
    process.out.alarm_possible = alarms.is_armed(process).value_or(true);
  }
}

/// What the image is at the moment: of busybox, which is many programs, the one that it was called
/// as. Its shells are one program.
std::string program_of(const ProcessEntry& process) {
  const std::string& exe = process.out.exe;
  if (!exe.ends_with("/busybox")) return exe;
  const auto text = process.dir->read("cmdline", 4096);
  std::string name = text ? text->substr(0, text->find('\0')) : "";
  name.erase(0, name.rfind('/') + 1);
  if (name.starts_with('-')) name.erase(0, 1);  // of a login
  if (name == "busybox") {
    name = text->substr(std::min(text->size(), text->find('\0') + 1));
    name.resize(std::min(name.size(), name.find('\0')));
  }
  return name == "sh" || name == "ash" || name == "bash" ? "ash" : exe;
}

/// What is known of the program stands where its code was not read, or not understood.
void add_known_handlers(ProcessEntry& entry, std::uint64_t caught) {
  snapshot::Process& process = entry.out;
  const std::string program = program_of(entry);
  std::vector<snapshot::Handler> handlers;
  if (process.handlers) handlers = *process.handlers;
  for (snapshot::Handler& handler : handlers) {
    const bool vague = !handler.effects || handler.effects->may(0);
    const auto known = snapshot::known_effects(program, handler.name);
    if (vague && known) handler.effects = *known;
  }
  for (snapshot::Handler& known : snapshot::known_handlers(program, caught)) {
    const auto told = std::ranges::find(handlers, known.signal, &snapshot::Handler::signal);
    if (told == handlers.end()) {
      handlers.push_back(std::move(known));
      continue;
    }
    if (snapshot::is_of_program(*told)) continue;
    if (!told->effects || told->effects->may(0)) told->effects = known.effects;
    told->restarts = told->restarts || known.restarts;  // or it waits again by itself
  }
  std::ranges::sort(handlers, {}, &snapshot::Handler::signal);
  if (!handlers.empty()) process.handlers = std::move(handlers);
}

}  // namespace

void read_signal_sources(System& system) {
  Alarms alarms(system);
  const linux::deputy::ReadAhead ahead(linux::deputy::Wish::Read, system.files("timers"));
  for (const auto& process : system.processes()) {
    if (!process->examined || process->dead) continue;
    if (!process->status) {  // nobody knows what it catches
      process->out.timer_possible = process->status.error().cause != Cause::Gone;
      continue;
    }
    read_alarm(alarms, *process);
    const std::uint64_t caught = process->status->caught;
    // nor when one ends that is not seen
    if ((caught & bit(SIGCHLD)) != 0 && !unseen_children(system, *process).empty())
      process->out.timer_possible = true;
    if (has_timer(system, *process, caught & ~process->own_signals))
      process->out.timer_possible = true;
    const Risk risk(system.progress(), process->pid, Fact::CommandLine);
    if (risk.allowed()) add_known_handlers(*process, caught);
    if ((caught & bit(SIGIO)) != 0) process->out.async_io = has_async_file(system, *process);
  }
}

void read_cpu_timers(System& system) {
  constexpr std::uint64_t kCpuTime = bit(SIGVTALRM) | bit(SIGPROF);
  for (const auto& process : system.processes()) {
    if (!process->examined || process->dead || !process->status) continue;
    const bool runs =
        std::ranges::any_of(process->threads, [](const ThreadEntry& t) { return !t.out.stable; });
    const std::uint64_t caught = process->status->caught & ~process->own_signals;
    if (runs && (caught & kCpuTime) != 0) process->out.alarm_possible = true;
  }
}

}  // namespace ipcdoctor::collect
