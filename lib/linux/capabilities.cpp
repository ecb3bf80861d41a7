#include "linux/capabilities.h"

#include "linux/proc_status.h"
#include "linux/text_scan.h"

namespace ipcdoctor::linux {

Result<int> parse_ptrace_scope(std::string_view text) {
  int scope = 0;
  if (!take_number(text, scope) || !is_blank(text) || scope < 0 || scope > 3) {
    return Error{Cause::Malformed, 0, "parse ptrace_scope"};
  }
  return scope;
}

bool parse_hidepid(std::string_view mountinfo) {
  std::string_view line;
  bool hides = false;
  while (take_line(mountinfo, line)) {
    const std::size_t dash = line.find(" - proc ");
    if (dash == std::string_view::npos || line.find(" /proc ") == std::string_view::npos) continue;
    const std::size_t option = line.find("hidepid=", dash);
    if (option == std::string_view::npos) {
      hides = false;  // a later mount at the same place covers the earlier
      continue;
    }
    std::string_view value = line.substr(option + 8);
    value = value.substr(0, value.find_first_of(", "));
    hides = value != "0" && value != "off";
  }
  return hides;
}

Result<OwnRights> read_own_rights() {
  const auto system = ProcDir::open_system();
  if (!system) return system.error();
  const auto self = system->open_below("self");
  if (!self) return self.error();
  const auto status = read_status(*self);
  if (!status) return status.error();
  const auto mountinfo = self->read("mountinfo", 16 << 20);
  if (!mountinfo) return mountinfo.error();

  OwnRights rights;
  rights.effective_uid = status->effective_uid;
  rights.effective_caps = status->effective_caps;
  rights.hides_pids = parse_hidepid(*mountinfo) && !rights.can_ptrace();
  const auto text = system->read("sys/kernel/yama/ptrace_scope");
  if (text) {
    const auto scope = parse_ptrace_scope(*text);
    if (!scope) return scope.error();
    rights.ptrace_scope = *scope;
  } else if (text.error().cause != Cause::Gone) {  // absent: no Yama
    return text.error();
  }
  return rights;
}

}  // namespace ipcdoctor::linux
