#pragma once

#include <chrono>
#include <cstdint>

namespace ipcdoctor::linux {

/// What a process that gave up its rights may still ask the kernel for.
enum class Calls {
  Parse,        ///< memory, its open descriptors, an end
  ParseAndAsk,  ///< also messages through sockets that it has, and processes that only parse
};

struct Bounds {
  std::uint64_t memory = 0;     ///< bytes of address space, in all
  std::chrono::seconds cpu{0};  ///< zero: as much as it wants
};

/// How many bytes of address space this process, or the one that it was forked from, has.
std::uint64_t address_space();

/// Capabilities: the kernel has no filters of system calls, or somebody forbids them.
enum class GivenUp { Nothing, Capabilities, All };

/// For good: no capability and none to be gained (PR_SET_NO_NEW_PRIVS), bounded memory and
/// processor time, and of system calls those of a list (seccomp(2)). It opens, connects, signals,
/// traces and executes nothing any more. What is not listed fails with EPERM.
GivenUp give_up_rights(Calls calls, const Bounds& bounds);

}  // namespace ipcdoctor::linux
