#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/ids.h"
#include "linux/address_space.h"
#include "runtime/native/walk.h"
#include "snapshot/effects.h"
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
    std::string name;        ///< "on_term in app"
    bool of_python = false;  ///< the interpreter's own: what it runs later is no native code
  };
  /// What a handler of a signal may do until it returns to the code that it interrupted.
  Handler read_handler(const linux::AddressSpace& space, RemoteAddr address);

  /// "worker of libgomp", if nothing but that runtime's code and the C library's runs in the
  /// thread, from its begin to the kernel: then it waits for what its program gives it to do. ""
  /// for others.
  std::string find_housekeeping(const linux::AddressSpace& space, const unwind::RawStack& stack);

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
