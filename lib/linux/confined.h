#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"
#include "linux/unique_fd.h"

namespace ipcdoctor::linux {

/// What a process without rights may use.
struct Confinement {
  std::uint64_t memory = std::uint64_t{256} << 20;  ///< bytes of address space beyond ours
  std::chrono::seconds cpu{6};                      ///< zero: as much as it wants
  std::uint64_t answer = std::uint64_t{64} << 20;   ///< most bytes that are taken of it at once
};

/// A child process (fork without exec) that parses what others wrote, and can do nothing else: it
/// has no capability and gains none (PR_SET_NO_NEW_PRIVS), opens, maps, signals and starts nothing
/// (seccomp(2) with a list of what is allowed), has no descriptor but its own side of a socket and
/// those it was given, and bounded memory and processor time. It dies with its parent.
class Confined {
 public:
  /// Runs in the child, for each question.
  using Answer = std::function<std::string(std::string_view question)>;
  /// Called every some milliseconds while a question has no answer; false: nobody waits any longer.
  using GoOn = std::function<bool()>;

  /// @param file  stays open in the child under its number; -1: none.
  /// @return Unsupported where the kernel has no seccomp filters: then nothing is parsed; Other.
  static Result<Confined> start(const Confinement& confinement, int file, const Answer& answer);
  /// For libraries that are asked what to do then, in the child.
  // An attribute of the type for clang, as that of libdw is.
  __attribute__((noreturn)) static void run_out_of_memory();

  Confined(Confined&& from) noexcept { *this = std::move(from); }
  Confined& operator=(Confined&& from) noexcept;
  ~Confined();

  /// One question at a time. After an error there are no more answers. @return Limit: it ran out of
  /// memory; TimedOut: out of processor time, or of the patience of `go_on`; Other: it crashed or
  /// was killed. The Error's `what` is the end of a sentence about it.
  Result<std::string> ask(std::string_view question, const GoOn& go_on);

 private:
  Confined(int child, UniqueFd socket, std::uint64_t limit)
      : child_(child), socket_(std::move(socket)), limit_(limit) {}
  /// @param how  what was wrong with it, if it still lives.
  Error end(const char* how = nullptr, Cause cause = Cause::Other);

  int child_ = 0;  ///< its pid; 0: reaped
  UniqueFd socket_;
  std::uint64_t limit_ = 0;
};

}  // namespace ipcdoctor::linux
