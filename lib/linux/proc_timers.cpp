#include "linux/proc_timers.h"

#include "linux/text_scan.h"

namespace ipcdoctor::linux {
namespace {

/// "signal/pid.11939", "none/tid.7".
bool parse_notify(std::string_view text, PosixTimer& timer) {
  skip_blanks(text);
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return false;
  const std::string_view how = text.substr(0, slash);
  text.remove_prefix(slash + 1);
  if (how == "signal")
    timer.notify = TimerNotify::Signal;
  else if (how == "none")
    timer.notify = TimerNotify::None;
  else if (how == "thread")
    timer.notify = TimerNotify::Thread;
  else
    return false;
  if (take_prefix(text, "tid."))
    timer.to_one_thread = true;
  else if (!take_prefix(text, "pid."))
    return false;
  return take_number(text, timer.target);
}

}  // namespace

Result<std::vector<PosixTimer>> parse_timers(std::string_view text) {
  const Error malformed{Cause::Malformed, 0, "parse timers"};
  if (!text.empty() && !text.ends_with('\n')) return malformed;
  std::vector<PosixTimer> timers;
  std::string_view line;
  while (take_line(text, line)) {
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) return malformed;
    const std::string_view key = line.substr(0, colon);
    std::string_view rest = line.substr(colon + 1);
    if (key == "ID") {
      PosixTimer timer;
      if (!take_number(rest, timer.id)) return malformed;
      timers.push_back(timer);
      continue;
    }
    if (timers.empty()) return malformed;
    PosixTimer& timer = timers.back();
    if (key == "signal" && !take_number(rest, timer.signal)) return malformed;
    if (key == "notify" && !parse_notify(rest, timer)) return malformed;
    if (key == "ClockID" && !take_number(rest, timer.clockid)) return malformed;
  }
  return timers;
}

Result<std::vector<PosixTimer>> read_timers(const ProcDir& process) {
  const auto text = process.read("timers", 16 << 20);
  if (!text) return text.error();
  return parse_timers(*text);
}

Result<bool> parse_real_timer_armed(std::string_view text) {
  bool any_timer = false;
  std::string_view line;
  while (take_line(text, line)) {
    skip_blanks(line);
    if (!line.starts_with('#') || line.find(", S:") == std::string_view::npos) continue;
    any_timer = true;
    if (line.find("it_real_fn") != std::string_view::npos) return true;
  }
  if (!any_timer) return Error{Cause::Malformed, 0, "parse timer_list"};
  return false;
}

Result<bool> read_real_timer_armed(const ProcDir& system) {
  const auto text = system.read("timer_list", 64 << 20);
  if (!text) return text.error();
  return parse_real_timer_armed(*text);
}

}  // namespace ipcdoctor::linux
