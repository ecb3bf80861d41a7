#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "linux/task_iterator.h"
#include "runtime/native/program.h"
#include "snapshot/effects.h"
#include "unwind/unwinder.h"

/// Threads and handlers that programs bring along whose image holds much else, so that only the
/// functions tell: the image is known by what it exports or calls itself.
namespace ipcdoctor::runtime::native {

struct KnownThread {
  std::string_view image;  ///< a symbol that it exports, or its SONAME
  std::string_view entry;  ///< the function that it waits for work in: how its name begins
  /// Those that call it, and that it may be in meanwhile, in the same image: how their names begin,
  /// separated by '|'.
  std::string_view waits;
  std::string_view what;  ///< "worker of V8"
  /// It wakes by itself, for its runtime alone: it neither runs the program's code nor wakes it.
  bool harmless = false;
};

struct Call {
  const Linkage* linkage;
  std::uint64_t pc;  ///< of the call, or where the innermost one is
};
/// The calls of a stack but those within the C and C++ libraries, innermost first; nullopt: not all
/// of it is known.
std::optional<std::vector<Call>> calls_of(Program& program, const unwind::RawStack& stack);

/// nullptr: none, or it does something now. Sources: Node 18 to 22, src/node_platform.cc,
/// src/inspector_agent.cc, libuv 1.44 src/threadpool.c; OpenJDK 17,
/// share/runtime/nonJavaThread.cpp.
const KnownThread* find_known_thread(Program& program, const std::vector<Call>& calls);

/// A handler of a runtime.
struct KnownHandler {
  snapshot::Effects effects;
  bool idle = false;  ///< see snapshot::Handler; else it may be that the program's part comes later
};

/// What the handler of a runtime does with that signal; nullopt: it is not known, read its code.
/// Node: src/node.cc, src/inspector_agent.cc. PHP: Zend/zend_signal.c, 7.1 to 8.3.
/// @param all  every handler of that process
std::optional<KnownHandler> find_known_handler(Program& program, const linux::SignalAction& action,
                                               std::span<const linux::SignalAction> all);

}  // namespace ipcdoctor::runtime::native
