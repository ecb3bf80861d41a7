#include "probes/all_probes.h"

#include <array>

namespace ipcdoctor::probes {

// Each is defined in its folder's probe.cpp. By code.
extern const diagnosis::Probe kUnclassifiedDeadlock;
extern const diagnosis::Probe kUnclosedWriteEnd;
extern const diagnosis::Probe kUnclosedReadEnd;
extern const diagnosis::Probe kMutualReceive;
extern const diagnosis::Probe kFullBufferCycle;
extern const diagnosis::Probe kJoinBeforeDrain;
extern const diagnosis::Probe kFullQueueNoConsumer;
extern const diagnosis::Probe kLockHeldAcrossFork;
extern const diagnosis::Probe kDeadLockOwner;
extern const diagnosis::Probe kSelfDeadlock;
extern const diagnosis::Probe kLostWorker;

std::span<const diagnosis::Probe* const> all_probes() {
  static constexpr std::array kProbes = {
      &kUnclassifiedDeadlock,
      &kUnclosedWriteEnd,
      &kUnclosedReadEnd,
      &kMutualReceive,
      &kFullBufferCycle,
      &kJoinBeforeDrain,
      &kFullQueueNoConsumer,
      &kLockHeldAcrossFork,
      &kDeadLockOwner,
      &kSelfDeadlock,
      &kLostWorker,
  };
  return kProbes;
}

}  // namespace ipcdoctor::probes
