#pragma once

#include <string>

namespace ipcdoctor::collect {

/// The name of a system call of x86-64, "futex"; "syscall 999" for one that is not in the table of
/// Linux 6.9.
std::string syscall_name(long nr);

}  // namespace ipcdoctor::collect
