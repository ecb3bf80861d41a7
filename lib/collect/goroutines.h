#pragma once

#include "collect/system.h"
#include "unwind/image.h"

namespace ipcdoctor::collect {

/// Adds the goroutines of a Go program to the threads of its process, each with what it waits for,
/// and tells which of its threads only run them. Call after its calls were decoded and before what
/// they wait on is looked up. Where anything about them is not known, nothing is changed.
/// @param images  shared between processes
void read_goroutines(System& system, ProcessEntry& process, unwind::ImageCache& images);

/// After the second look at the threads: a goroutine is where it was read if none of the threads
/// that could have run it has run.
void look_again_at_goroutines(ProcessEntry& process);

}  // namespace ipcdoctor::collect
