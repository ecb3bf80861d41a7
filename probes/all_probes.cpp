#include "probes/all_probes.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace ipcdoctor::probes {

// Each is defined in its folder's probe.cpp.
extern const diagnosis::Probe kUnclassifiedDeadlock;
extern const diagnosis::Probe kUnclosedWriteEnd;
extern const diagnosis::Probe kUnclosedReadEnd;
extern const diagnosis::Probe kMissingSentinel;
extern const diagnosis::Probe kMutualReceive;
extern const diagnosis::Probe kFullBufferCycle;
extern const diagnosis::Probe kJoinBeforeDrain;
extern const diagnosis::Probe kFullQueueNoConsumer;
extern const diagnosis::Probe kUnfinishedTasks;
extern const diagnosis::Probe kLockHeldAcrossFork;
extern const diagnosis::Probe kThreadLostInFork;
extern const diagnosis::Probe kDeadLockOwner;
extern const diagnosis::Probe kLockOrderCycle;
extern const diagnosis::Probe kSelfDeadlock;
extern const diagnosis::Probe kLockHeldWhileWaiting;
extern const diagnosis::Probe kLeakedLock;
extern const diagnosis::Probe kLostWorker;
extern const diagnosis::Probe kMissingParty;
extern const diagnosis::Probe kMissedWakeup;
extern const diagnosis::Probe kPoolStarvation;
extern const diagnosis::Probe kLostToken;
extern const diagnosis::Probe kUnsharedPrimitive;
extern const diagnosis::Probe kJoinCycle;
extern const diagnosis::Probe kStoppedProcess;
extern const diagnosis::Probe kPeerlessOpen;
extern const diagnosis::Probe kExternalInput;
extern const diagnosis::Probe kSignalNeverSent;
extern const diagnosis::Probe kKernelServiceCycle;
extern const diagnosis::Probe kHalfOpenConnection;

std::span<const diagnosis::Probe* const> all_probes() {
  static constexpr std::array kProbes = {
      &kLeakedLock,
      &kPoolStarvation,
      &kLostToken,
      &kUnfinishedTasks,
      &kUnsharedPrimitive,
      &kLockHeldAcrossFork,
      &kDeadLockOwner,
      &kFullBufferCycle,
      &kFullQueueNoConsumer,
      &kUnclosedWriteEnd,
      &kThreadLostInFork,
      &kSelfDeadlock,
      &kLostWorker,
      &kJoinBeforeDrain,
      &kStoppedProcess,
      &kPeerlessOpen,
      &kJoinCycle,
      &kLockHeldWhileWaiting,
      &kUnclosedReadEnd,
      &kMissedWakeup,
      &kMissingParty,
      &kLockOrderCycle,
      &kMutualReceive,
      &kKernelServiceCycle,
      &kHalfOpenConnection,
      &kMissingSentinel,
      &kExternalInput,
      &kSignalNeverSent,
      &kUnclassifiedDeadlock,
  };
  return kProbes;
}

std::vector<const diagnosis::Probe*> probes_by_code() {
  std::vector<const diagnosis::Probe*> probes(all_probes().begin(), all_probes().end());
  std::ranges::sort(probes, {},
                    [](const diagnosis::Probe* probe) { return std::string_view(probe->code); });
  return probes;
}

}  // namespace ipcdoctor::probes
