#include "linux/proc_status.h"

#include "linux/text_scan.h"

namespace ipcdoctor::linux {
namespace {

bool take_numbers(std::string_view rest, std::vector<int>& values) {
  while (!is_blank(rest)) {
    int value = 0;
    if (!take_number(rest, value)) return false;
    values.push_back(value);
  }
  return true;
}

/// What must be there.
struct Progress {
  unsigned sets = 0;      ///< signal sets read, five in all
  unsigned switches = 0;  ///< switch counts read, two in all
  bool state = false, tgid = false;
  bool complete() const { return state && tgid && sets == 5 && switches == 2; }
};

/// The kernel writes "\\n" and "\\\\" for a newline and a backslash (proc_task_name() of
/// fs/proc/array.c, Linux 6.1).
std::string unescape(std::string_view text) {
  std::string raw;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool escaped = text[i] == '\\' && i + 1 < text.size();
    if (escaped) ++i;
    raw += escaped && text[i] == 'n' ? '\n' : text[i];
  }
  return raw;
}

/// @return false if a known line does not parse.
bool parse_field(std::string_view key, std::string_view rest, TaskStatus& status, Progress& seen) {
  const auto set = [&](std::uint64_t& mask) { return ++seen.sets, take_number(rest, mask, 16); };
  const auto count = [&](std::uint64_t& value) {
    return ++seen.switches, take_number(rest, value);
  };

  if (key == "Name") {
    if (rest.starts_with('\t')) rest.remove_prefix(1);
    status.name = unescape(rest);
    return true;
  }
  if (key == "State") {
    skip_blanks(rest);
    if (rest.empty()) return false;
    status.state = rest.front();
    seen.state = true;
    return true;
  }
  if (key == "Tgid") return (seen.tgid = true), take_number(rest, status.tgid.value);
  if (key == "TracerPid") return take_number(rest, status.tracer.value);
  if (key == "Uid") return take_number(rest, status.uid) && take_number(rest, status.effective_uid);
  if (key == "Threads") return take_number(rest, status.threads);
  if (key == "NSpid") return take_numbers(rest, status.ns_pids);
  if (key == "NSpgid") return take_numbers(rest, status.ns_pgids);
  if (key == "SigPnd") return set(status.pending);
  if (key == "ShdPnd") return set(status.shared_pending);
  if (key == "SigBlk") return set(status.blocked);
  if (key == "SigIgn") return set(status.ignored);
  if (key == "SigCgt") return set(status.caught);
  if (key == "CapEff") return take_number(rest, status.effective_caps, 16);
  if (key == "VmPeak") return take_number(rest, status.peak_size_kb);
  if (key == "VmHWM") return take_number(rest, status.peak_resident_kb);
  if (key == "Seccomp") return take_number(rest, status.seccomp_mode);
  if (key == "voluntary_ctxt_switches") return count(status.voluntary_switches);
  if (key == "nonvoluntary_ctxt_switches") return count(status.involuntary_switches);
  if (key == "Kthread") {
    int value = 0;
    if (!take_number(rest, value)) return false;
    status.kernel_thread = value != 0;
  }
  return true;
}

}  // namespace

Result<TaskStatus> parse_status(std::string_view text) {
  const Error malformed{Cause::Malformed, 0, "parse status"};
  // The switch counts end the file: without its last newline a count may have lost digits.
  if (!text.ends_with('\n')) return malformed;
  TaskStatus status;
  Progress seen;
  std::string_view line;
  while (take_line(text, line)) {
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    if (!parse_field(line.substr(0, colon), line.substr(colon + 1), status, seen)) return malformed;
  }
  if (!seen.complete()) return malformed;
  return status;
}

Result<TaskStatus> read_status(const ProcDir& task) {
  const auto text = task.read_record("status");
  if (!text) return text.error();
  return parse_status(*text);
}

}  // namespace ipcdoctor::linux
