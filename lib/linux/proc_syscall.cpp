#include "linux/proc_syscall.h"

#include "linux/text_scan.h"

namespace ipcdoctor::linux {

Result<SyscallState> parse_syscall(std::string_view line) {
  const Error malformed{Cause::Malformed, 0, "parse syscall"};
  if (!line.ends_with('\n')) return malformed;  // cut: the last number may have lost digits
  line.remove_suffix(1);
  SyscallState state;
  if (line == "running") return state;
  if (!take_number(line, state.nr)) return malformed;
  if (state.nr < 0) {
    state.kind = SyscallState::Kind::NotInCall;
  } else {
    state.kind = SyscallState::Kind::InCall;
    for (std::uint64_t& arg : state.args) {
      if (!take_hex(line, arg)) return malformed;
    }
  }
  if (!take_hex(line, state.sp.value) || !take_hex(line, state.pc.value) || !is_blank(line))
    return malformed;
  return state;
}

Result<SyscallState> read_syscall(const ProcDir& task) {
  const auto text = task.read_record("syscall");
  if (!text) return text.error();
  return parse_syscall(*text);
}

long parse_call_stub(std::string_view before_pc) {
  if (before_pc.size() != 7) return -1;
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(before_pc[i]); };
  const bool is_stub =
      byte(0) == 0xb8 && byte(5) == 0x0f && byte(6) == 0x05;  // mov $imm32,%eax; syscall
  if (!is_stub) return -1;
  const std::uint32_t nr = byte(1) | static_cast<std::uint32_t>(byte(2)) << 8 |
                           static_cast<std::uint32_t>(byte(3)) << 16 |
                           static_cast<std::uint32_t>(byte(4)) << 24;
  return nr < 4096 ? static_cast<long>(nr) : -1;  // x32 and nonsense are not decoded
}

}  // namespace ipcdoctor::linux
