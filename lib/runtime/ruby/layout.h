#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

/// Where MRI keeps what is read of it, by version, on x86-64.
namespace ipcdoctor::runtime::ruby {

struct Version {
  int major = 0, minor = 0, patch = 0;
};

/// "3.1.2" as `ruby_version` has it; nullopt: it is none.
std::optional<Version> parse_version(std::string_view text);

/// Offsets in bytes of members. What is equal in all of 2.7 to 3.4 stands where it is used.
struct Layout {
  std::uint64_t vm_main_thread;
  std::uint64_t vm_threads;  ///< list of its threads; from 3.0 on of its Ractors
  std::uint64_t vm_traps;    ///< trap_list.cmd
  /// waiting_pids, waiting_grps behind it: who waits for children. 0: from 3.2 on they wait in
  /// wait4(2) itself.
  std::uint64_t vm_waiting;
  std::uint64_t ractor_node, ractor_threads;  ///< vmlr_node, threads.set; 0: before 3.0
  std::uint64_t th_vm, th_ec, th_status, th_blocking, th_locking, th_keeping;
  std::uint64_t ec_thread, ec_stack;  ///< thread_ptr; machine.stack_start
  std::uint64_t frame_size;           ///< of rb_control_frame_t
  std::uint64_t lines, line_size;     ///< iseq_constant_body.insns_info; of an entry of it
  bool packs_first_line;              ///< location.first_lineno is a Fixnum
  bool packs_lengths;                 ///< the length of a short String is in its flags
  std::uint64_t nil, undef;           ///< the values; Qtrue is 20 in all of them
};

/// nullopt: a version that is not known. Source: vm_core.h, ractor_core.h, thread_pthread.h,
/// iseq.h and the configuration of Debian's packages of Ruby 2.7.4, 3.1.2 and 3.3.8, where the
/// compiler was asked; 3.0, 3.2 and 3.4 by the same headers as rbspy's bindings have them.
std::optional<Layout> layout_of(const Version& version);

}  // namespace ipcdoctor::runtime::ruby
