#pragma once

#include "collect/system.h"
#include "unwind/unwind.h"

namespace ipcdoctor::collect {

/// What the interpreter of a Ruby program tells: the frames of its threads, what those wait for
/// that put themselves to sleep, and which signals the program handles itself. Call after its calls
/// were decoded and before what they wait on is looked up. Where it is not known, nothing is
/// changed.
void read_ruby(System& system, ProcessEntry& process, unwind::Images& images);

}  // namespace ipcdoctor::collect
