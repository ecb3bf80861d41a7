// What the kernel prints of processes that choose their names, paths and numbers; the first byte
// says which of its files.
#include <cstdlib>
#include <span>
#include <string_view>
#include <vector>

#include "base/text.h"
#include "collect/command_line.h"
#include "linux/auxv.h"
#include "linux/capabilities.h"
#include "linux/fd_table.h"
#include "linux/fdinfo.h"
#include "linux/namespaces.h"
#include "linux/proc_locks.h"
#include "linux/proc_maps.h"
#include "linux/proc_stat.h"
#include "linux/proc_status.h"
#include "linux/proc_syscall.h"
#include "linux/proc_timers.h"
#include "linux/proc_wchan.h"
#include "linux/sock_diag.h"
#include "linux/sysvipc.h"

using namespace ipcdoctor;
using namespace ipcdoctor::linux;

namespace {

using Parse = void (*)(std::string_view);

/// As recvmsg(2) leaves it: at the begin of a buffer.
std::vector<std::byte> message(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

constexpr Parse kParsers[] = {
    [](std::string_view text) { (void)parse_stat(text); },
    [](std::string_view text) { (void)parse_status(text); },
    [](std::string_view text) { (void)parse_syscall(text); },
    [](std::string_view text) { (void)parse_fdinfo(text); },
    [](std::string_view text) { (void)parse_locks(text); },
    [](std::string_view text) {
      const auto maps = parse_maps(text);
      if (maps) (void)find_mapping(*maps, RemoteAddr{0x7f2000000010});
    },
    [](std::string_view text) { (void)parse_fd_link(3, text); },
    [](std::string_view text) { (void)parse_namespace_link(text, "net"); },
    [](std::string_view text) { (void)parse_wchan(text); },
    [](std::string_view text) { (void)parse_ptrace_scope(text); },
    [](std::string_view text) { (void)parse_hidepid(text); },
    [](std::string_view text) { (void)parse_sysvipc_sem(text); },
    [](std::string_view text) { (void)parse_sysvipc_msg(text); },
    [](std::string_view text) { (void)parse_timers(text); },
    [](std::string_view text) { (void)parse_real_timer_armed(text); },
    [](std::string_view text) { (void)parse_auxv(text); },
    [](std::string_view text) { (void)parse_unix_diag(message(text)); },
    [](std::string_view text) { (void)parse_inet_diag(message(text), false); },
    [](std::string_view text) { (void)parse_inet_diag(message(text), true); },
    [](std::string_view text) {
      for (const auto argv : {collect::Argv::Names, collect::Argv::Values})
        (void)collect::parse_command_line(text, argv);
    },
    [](std::string_view text) {
      const std::string escaped = escape_untrusted(text);
      if (escape_untrusted(escaped) != escaped) std::abort();
      for (const unsigned char c : escaped)
        if (c < 0x20 || c == 0x7f) std::abort();
    },
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  kParsers[data[0] % std::size(kParsers)](text.substr(1));
  return 0;
}
