#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "linux/address_space.h"
#include "snapshot/snapshot.h"

namespace ipcdoctor::unwind {

class ImageCache;
struct RawStack;

/// What is known of a blocked thread's registers: SP and PC from /proc/TID/syscall; the
/// callee-saved ones only where ptrace or a BPF iterator gave them.
struct Registers {
  RemoteAddr sp, pc;
  std::optional<std::uint64_t> rbp, rbx, r12, r13, r14, r15;
};

/// Unwind tables and symbols of ELF images, parsed once and shared between all processes that map
/// the same file. Files are opened safely: only regular files, only the file that is really mapped
/// (dev and ino), never blocking.
class Images {
 public:
  Images();
  ~Images();
  Images(Images&&) noexcept;

  /// The frames of a thread, innermost first, with pc, module and offset; function for exported
  /// symbols is not filled in. Stops at the first frame that it cannot be sure of: Frame::guessed
  /// marks those beyond, if any.
  /// @param limit  most frames. Errors: none of the frames could be found.
  Result<std::vector<snapshot::Frame>> unwind(const linux::AddressSpace& space,
                                              const Registers& registers, std::size_t limit = 512);

  /// The same with the registers of each frame, and why the stack ended.
  RawStack unwind_raw(const linux::AddressSpace& space, const Registers& registers,
                      std::size_t limit = 512);
  /// The images themselves, for readers of code.
  ImageCache& cache();

  /// The function that contains pc by the image's symbol tables (.symtab, .dynsym, MiniDebugInfo),
  /// demangled; never a symbol beyond its size. Cheap enough for every futex. @return Unsupported
  /// if there is none.
  Result<std::string> function_at(const linux::AddressSpace& space, RemoteAddr pc);

  /// The function that the call before this return address names, through the PLT and GOT if need
  /// be: what a frame was called as, when it has no name of its own or was left by a tail call.
  /// @return Unsupported for other indirect calls.
  Result<std::string> function_called_at(const linux::AddressSpace& space,
                                         RemoteAddr return_address);

  /// The data object at address, "log_mutex" and the offset in it, by symbol tables.
  struct Variable {
    std::string name;
    std::string module;
    std::uint64_t offset = 0;
  };
  Result<Variable> variable_at(const linux::AddressSpace& space, RemoteAddr address);

  /// The address in this process of a symbol of a mapped image whose file name begins with
  /// `module_prefix`.
  Result<RemoteAddr> address_of(const linux::AddressSpace& space, std::string_view module_prefix,
                                std::string_view symbol);

  /// All data objects of the first such image that has any whose names begin so: name and address.
  std::map<std::string, RemoteAddr> variables_named(const linux::AddressSpace& space,
                                                    std::string_view module_prefix,
                                                    std::string_view prefix);

  /// Adds function, file, line and inlined frames (in place, innermost first) by libdw, in
  /// processes without rights. What is unknown stays.
  /// @param go_on  called again and again while such a process works; false: nobody waits any
  /// longer.
  /// @return why lines of images could not be read; of each image once.
  std::vector<Error> describe(
      const linux::AddressSpace& space, std::vector<snapshot::Frame>& frames,
      const std::function<bool()>& go_on = [] { return true; });

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ipcdoctor::unwind
