#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "snapshot/effects.h"

/// What functions of the C library and system calls do to others, as far as it matters to somebody
/// who waits. A function that only changes its own memory, or that releases only what it took
/// itself, does nothing. Sources: man pages, sections 2 and 3; glibc 2.36.
namespace ipcdoctor::runtime::native {

struct Known {
  /// How its effects depend on its arguments.
  enum class Rule : std::uint8_t {
    Plain,
    Accept,       ///< its result is a descriptor that a peer of its first argument made
    Fcntl,        ///< by the second argument
    Ioctl,        ///< by the second argument
    SignalMask,   ///< sigprocmask(2): by the first argument
    MaskInPpoll,  ///< a mask of signals, unless the argument is null
    MaskInPselect,
    MaskInEpoll,
    Call,         ///< syscall(2): the first argument is the number
    Futex,        ///< by its second argument
    Stream,       ///< stdio: a FILE may have functions of the program (fopencookie(3))
    Manipulator,  ///< std::ostream's operator<< with a function, the second argument
    Allocates,    ///< malloc(3): the program may have hooked it (glibc before 2.34)
  };
  std::string_view name;
  std::uint32_t mask = 0;  ///< of snapshot::Effect
  std::string_view words;  ///< for a person, third person: "sleeps"; "" if not worth a word
  int descriptor = -1;     ///< the argument that is the descriptor of reads, writes, closes
  /// The argument that is the FILE of them, or one of the program's own; kOstream: the first one is
  /// the std::ostream, which it returns.
  int stream = kNoStream;
  static constexpr int kNoStream = -1, kStdout = -2, kStderr = -3, kOstream = -4;
  int objects = 0;  ///< so many first arguments are what it releases; 0: others
  bool returns = true;
  bool holds_nothing = false;  ///< while it is blocked it holds no lock of the library's own
  bool cancellable = false;    ///< a cancellation point, see pthreads(7)
  Rule rule = Rule::Plain;
};

/// What stands for the address of errno: one that no process has.
inline constexpr std::uint64_t kErrnoAddress = 0xffff'8000'0000'0000;

/// A function of the C library by its name, without "__", "__libc_", "_chk" and the like. nullptr:
/// not known.
const Known* find_function(std::string_view name);
/// The C++ runtime library's, by mangled name.
const Known* find_cxx_function(std::string_view name);

/// x86-64. One that is not known may do anything.
Known system_call(std::uint64_t number);

/// What futex(2) does by its operation.
std::uint32_t effects_of_futex(std::uint64_t operation);
std::uint32_t effects_of_fcntl(std::uint64_t command);
std::uint32_t effects_of_ioctl(std::uint64_t request);

}  // namespace ipcdoctor::runtime::native
