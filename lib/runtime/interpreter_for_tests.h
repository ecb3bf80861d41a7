#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "linux/proc_stat.h"
#include "linux/testing.h"
#include "unwind/unwind.h"

/// What the tests of each language do: start its interpreter, and read it until it stands still.
namespace ipcdoctor::runtime::testing {

/// A child that is `interpreter option code`, with nothing to read and nowhere to write.
inline linux::testing::Child run(const char* interpreter, const char* option, const char* code) {
  return linux::testing::Child([=] {
    const int null = ::open("/dev/null", O_RDWR);
    for (const int fd : {0, 1, 2}) ::dup2(null, fd);
    ::execlp(interpreter, interpreter, option, code, nullptr);
    return 1;
  });
}

/// Whether that command of the shell succeeds.
inline bool succeeds(const std::string& command) {
  return std::system((command + " >/dev/null 2>&1").c_str()) == 0;
}

using Frames = std::vector<snapshot::Frame>;

/// "take:3 main:7" as soon as `read` gives so many frames of one that sleeps, and the same ones
/// twice: an interpreter that has just begun has some too. Each time anew, as what was read is
/// remembered.
template <class Read>
std::string stack_of(const linux::testing::Child& child, std::size_t depth, const Read& read) {
  std::string stack, before;
  (void)linux::testing::eventually([&] {
    before = std::exchange(stack, "");
    const auto space = linux::AddressSpace::open(child.pid());
    const auto stat = space ? linux::read_stat(space->dir) : space.error();
    if (!stat || stat->state != 'S') return false;
    unwind::Images images;
    const Result<Frames> frames = read(*space, images);
    if (!frames || frames->size() != depth) return false;
    for (const snapshot::Frame& frame : *frames)
      stack += frame.function + ":" + std::to_string(frame.line) + " ";
    return stack == before;
  });
  return stack == before ? stack : "";
}

}  // namespace ipcdoctor::runtime::testing
