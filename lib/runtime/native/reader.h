#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/ids.h"
#include "linux/address_space.h"
#include "linux/task_iterator.h"
#include "runtime/native/interrupted.h"
#include "runtime/native/known_threads.h"
#include "runtime/native/walk.h"
#include "snapshot/snapshot.h"
#include "unwind/image.h"
#include "unwind/unwinder.h"

namespace ipcdoctor::runtime::native {

/// Reads what native code may do next; see snapshot/effects.h. One for a collection.
class Reader {
 public:
  explicit Reader(unwind::ImageCache& images) : images_(images) {}

  /// What a blocked thread may do once its call returns, up to its end.
  snapshot::Effects read_thread(const linux::AddressSpace& space, const unwind::RawStack& stack,
                                const Walk::Thread& thread);

  struct Handler {
    snapshot::Effects effects;
    std::string name;          ///< "on_term in app"
    bool of_language = false;  ///< the interpreter's own: what it runs later is no native code
    std::optional<Written> written;  ///< nullopt: not known
  };
  /// What a handler of a signal may do until it returns to the code that it interrupted.
  Handler read_handler(const linux::AddressSpace& space, RemoteAddr address);

  /// Whether a thread that waits for a semaphore posts it later: to it, it is a lock.
  bool gives_back(const linux::AddressSpace& space, const unwind::RawStack& stack,
                  const Walk::Thread& thread);

  /// What a blocked thread does once a handler that writes that has interrupted it.
  /// @param arguments  of its call
  Interrupted read_interrupted(const linux::AddressSpace& space, const unwind::RawStack& stack,
                               const std::array<std::uint64_t, 6>& arguments,
                               const Written& written, bool leads);

  /// The same as read_handler() of a handler that is a runtime's own, which may differ from one
  /// signal to the other; nullopt: it is none.
  /// @param all  every handler of that process
  std::optional<KnownHandler> known_handler(const linux::AddressSpace& space,
                                            const linux::SignalAction& action,
                                            std::span<const linux::SignalAction> all);

  struct Housekeeping {
    std::string what;       ///< "worker of libgomp"; "" for others
    bool harmless = false;  ///< also when it acts: it beats for its runtime alone
  };
  /// Whether nothing but a runtime's code and the C library's runs in the thread, from its begin to
  /// the kernel: then it waits for what its program gives it to do.
  Housekeeping find_housekeeping(const linux::AddressSpace& space, const unwind::RawStack& stack);

  /// Whether the file name is one of those that it may be asked for.
  static bool is_of_runtime(std::string_view module);

  /// Instructions that may still be read, in all.
  std::size_t budget() const { return budget_; }

 private:
  unwind::ImageCache& images_;
  Program::Linkages linkages_;
  Disassembler disassembler_;
  std::size_t budget_ = 400'000;
};

}  // namespace ipcdoctor::runtime::native
