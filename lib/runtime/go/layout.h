#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace ipcdoctor::runtime::go {

/// Where the runtime of one minor version keeps what is read, in bytes from the begin of each
/// structure, on amd64. Sources: src/runtime/runtime2.go (g, m, sudog), chan.go (hchan), netpoll.go
/// (pollDesc), symtab.go (_func, moduledata) of Go 1.19 to 1.27, as the DWARF of programs that
/// their compilers made has them.
struct Layout {
  int first_minor, last_minor;
  // type g; stack, m and sched are at 0, 48 and 56 in all of them
  std::uint64_t g_syscallsp, g_syscallpc, g_atomicstatus, g_goid, g_waiting;
  std::uint64_t m_procid;
  std::uint64_t sudog_waitlink, sudog_c;             ///< g is at 0, elem at 24
  std::uint64_t hchan_elemtype, hchan_timer;         ///< hchan_timer 0: there is none
  std::uint64_t poll_rg, poll_wg, poll_rd, poll_wd;  ///< fd is at 8
  std::uint64_t func_size, func_nfuncdata;
  std::uint64_t inlined_size, inlined_name, inlined_parent_pc;
  std::uint64_t module_types, module_gofunc;  ///< text is at 176, bss to ebss at 224
};

/// nullptr: that version is not known.
const Layout* find_layout(int minor);

/// "go1.22.12" of the contents of an ELF section .go.buildinfo, which begins with a magic number;
/// see src/debug/buildinfo/buildinfo.go. "" if it is not there: before Go 1.18 only pointers were.
std::string parse_build_info(std::span<const std::byte> bytes);

/// 22 of "go1.22.12 X:nocoverageredesign"; "devel go1.25-..." and all else is -1.
int minor_of(const std::string& version);

}  // namespace ipcdoctor::runtime::go
