#pragma once

#include <utility>
#include <vector>

#include "base/result.h"
#include "runtime/cpython/objects.h"
#include "runtime/cpython/runtime_finder.h"

namespace ipcdoctor::runtime::cpython {

/// What the interpreter itself knows of the signals of its process.
struct SignalTable {
  struct Dump {
    int signal = 0;
    int fd = -1;
    bool chains = false;  ///< then the handler from before runs as well
  };
  std::vector<std::pair<int, Object>> handlers;  ///< signal.signal() of a callable, by signal
  /// signal.set_wakeup_fd(): each signal of `handlers` also writes there; -1 = none.
  Result<int> wakeup_fd = Error{};
  std::vector<Dump> dumps;  ///< faulthandler.register()
};

/// Reads Handlers of Modules/signalmodule.c (in _PyRuntime.signals from 3.12 on) by its content,
/// as no symbol names it: Py_NSIG pairs of a flag and an object, SIG_DFL for SIGKILL and SIGSTOP.
/// wakeup and faulthandler's user_signals are found through the instructions of
/// signal.set_wakeup_fd() and faulthandler.unregister(), which refer to them, from 3.12 on through
/// their neighbours in _PyRuntime, and checked.
/// @return Unsupported: not found, or more than one place looks like it.
Result<SignalTable> read_signal_table(const Objects& objects, const Runtime& runtime,
                                      const linux::AddressSpace& space, Object modules);

}  // namespace ipcdoctor::runtime::cpython
