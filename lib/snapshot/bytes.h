#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "snapshot/snapshot.h"

namespace ipcdoctor::snapshot {

/// For the way from the helper process to its parent: the members in their order, numbers as they
/// lie in memory, lengths before texts and lists. Not a format to keep; codec.h has that.
std::string encode(const Result<Snapshot>& snapshot);
/// @return the error that was encoded; Malformed if the bytes are not a whole snapshot of this
/// version of ours. Takes no more memory than a small multiple of the bytes, whatever they say.
Result<Snapshot> decode(std::string_view bytes);

/// A thread's native stack with names.
struct NamedStack {
  TaskRef task;
  std::vector<Frame> frames;
};
struct NamedStacks {
  std::vector<NamedStack> stacks;
  std::vector<Unseen> unseen;  ///< why others have none
};
std::string encode(const NamedStacks& stacks);
Result<NamedStacks> decode_stacks(std::string_view bytes);

}  // namespace ipcdoctor::snapshot
