#pragma once

#include <string>

#include "base/result.h"
#include "linux/unique_fd.h"

namespace ipcdoctor::linux {

/// Under Yama's ptrace_scope 1 only an ancestor of a process may read its memory and its calls and
/// copy its descriptors (security/yama/yama_lsm.c, task_is_descendant(); Linux 6.1). A helper of
/// that ancestor is none. It asks the ancestor, which opens what the helper may not, and reads
/// nothing of it but the one line of a call.
class Broker {
 public:
  /// Both sides, before the fork.
  static Result<Broker> make();

  /// In the ancestor, after the fork: a thread of its own answers until the helper ends.
  void serve();

  /// In the helper: what this process is denied is asked for from now on. `side` is where its end
  /// is now.
  static void use(int side);
  int helper_side() const { return helper_.get(); }

 private:
  UniqueFd ancestor_, helper_;
};

/// A file of /proc/PID (`dir`) that the ancestor opens: "mem". @return Denied without an ancestor
/// to ask.
Result<UniqueFd> ask_to_open(int dir, const std::string& name);
/// One line of a file below `dir`: "syscall", "task/43/syscall".
Result<std::string> ask_to_read(int dir, const std::string& name);
/// pidfd_getfd(2)
Result<UniqueFd> ask_to_copy(int pidfd, int fd);

}  // namespace ipcdoctor::linux
