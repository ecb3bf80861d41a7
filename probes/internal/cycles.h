#pragma once

#include <string>
#include <vector>

#include "probes/internal/set_members.h"

/// Rings in a stuck set: who waits for whom, with the locks made precise.
namespace ipcdoctor::probes {

enum class StepKind { Lock, End, Other };

/// members[from] waits for members[to].
struct Step {
  std::size_t from = 0;
  std::size_t to = 0;
  StepKind kind = StepKind::Other;
  bool sure = true;  ///< false: by a heuristic, or one of many alternatives
  std::string evidence;
};

using Ring = std::vector<Step>;

/// All steps between members. A wait for a lock goes to its known holders only; one with no known
/// holder has none. A holder that is a process as a whole stands for each of its members.
std::vector<Step> steps_between(const Context& context, const Members& members);

/// The shortest ring that takes only steps of one kind; empty if there is none. Length 1: a member
/// that waits for itself.
Ring shortest_ring(const Members& members, const std::vector<Step>& steps, StepKind only);

/// The shortest ring with at least one lock and one other step; sure steps are preferred.
Ring shortest_mixed_ring(const Members& members, const std::vector<Step>& steps);

/// "worker waits for mutex `a` (app.c:7), held by 43; ..." one sentence a step.
std::string tell_ring(const Context& context, const Members& members, const Ring& ring);

/// Rings longer than this are told in part.
constexpr std::size_t kMaxTold = 8;

}  // namespace ipcdoctor::probes
