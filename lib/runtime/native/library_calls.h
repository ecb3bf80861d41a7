#pragma once

#include <span>

#include "snapshot/snapshot.h"

namespace ipcdoctor::runtime::native {

/// What a thread waits for in the words of its language's library, by the names of the functions
/// on its stack: std::sync::mpsc and std::sync::Barrier of Rust 1.60 to 1.95
/// (library/std/src/sync). An empty call: nothing known. Names prove nothing: good for the words of
/// a finding only.
/// @param frames  with their functions, innermost first
snapshot::Activity library_call(std::span<const snapshot::Frame> frames);

}  // namespace ipcdoctor::runtime::native
