#include "snapshot/copies.h"

#include <algorithm>

namespace ipcdoctor::snapshot {

const Process* find_signalled_copy(const Snapshot& snapshot, const Process& waiter,
                                   const Thread& thread) {
  const RuntimeObject& awaited = thread.activity.object;
  const bool in_memory = awaited.kind == Resource::Event && awaited.reach == Reach::Memory &&
                         awaited.address.value != 0 &&
                         thread.activity.operation == Operation::AwaitSignal;
  if (!in_memory) return nullptr;
  const auto is_set = [&](const RuntimeObject& object) {
    return object.type == awaited.type && object.address == awaited.address &&
           object.numbers.get_or(Number::Set, 0) == 1;
  };
  const auto found = std::ranges::find_if(snapshot.processes, [&](const Process& other) {
    const bool copied = (other.ppid == waiter.pid && other.forked_copy) ||
                        (waiter.ppid == other.pid && waiter.forked_copy);
    return copied && !other.dead && !other.exited &&
           std::ranges::any_of(other.interpreter.objects, is_set);
  });
  return found == snapshot.processes.end() ? nullptr : &*found;
}

}  // namespace ipcdoctor::snapshot
