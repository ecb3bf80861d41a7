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

/// Whether it is a worker's stack, of somebody's pool: it is in a std::packaged_task.
/// @param frames  with their functions
bool runs_a_task(std::span<const snapshot::Frame> frames);

/// Whether it waits for the other threads of a team of OpenMP, by the images of its innermost
/// frames.
bool is_of_a_team(std::span<const snapshot::Frame> frames);

}  // namespace ipcdoctor::runtime::native
