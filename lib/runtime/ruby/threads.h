#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "runtime/ruby/vm.h"
#include "snapshot/snapshot.h"

namespace ipcdoctor::runtime::ruby {

/// What a thread sleeps for that has put itself to sleep: not in a call that lets others run.
enum class Sleep {
  None,   ///< it runs, wants to run, or is in such a call
  Child,  ///< the end of a child, which the handler of SIGCHLD reports
  Mutex,
  Queue,      ///< an item
  FullQueue,  ///< room in a SizedQueue
  Condition,
  Join,
  Other,  ///< any thread may wake it
};

struct Thread {
  std::uint64_t address = 0;  ///< rb_thread_t
  bool is_main = false;
  /// Of the stack that it runs on: its upper end, and how far it may reach down.
  std::uint64_t stack = 0, stack_size = 0;
  std::vector<snapshot::Frame> frames;  ///< of Ruby, innermost first
  Sleep sleep = Sleep::None;
  int child = 0;             ///< Child: its ns_pid; -1 and below as in waitpid(2)
  std::uint64_t object = 0;  ///< what it sleeps for
  std::uint64_t other = 0;   ///< Mutex: the Thread that has it; Join: whose end it waits for
  /// It watches the time for others, and may raise an exception in any of them: Timeout.
  bool keeps_time = false;
};

/// All threads. Errors: Malformed, the list cannot be read.
Result<std::vector<Thread>> read_threads(const Vm& vm);

/// What the program does itself with a signal that Ruby catches.
struct Trap {
  int signal = 0;
  enum class Kind {
    Default,  ///< nothing: Ruby raises SignalException in the main thread
    Exit,     ///< "EXIT"
    Code,     ///< a block, or something that is evaluated
  } kind = Kind::Default;
  std::string where;  ///< of a block: "app.rb:9", safe to print
};
/// nullopt: not known. Source: signal.c, trap_handler().
std::optional<std::vector<Trap>> read_traps(const Vm& vm);

}  // namespace ipcdoctor::runtime::ruby
