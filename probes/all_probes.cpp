#include "probes/all_probes.h"

#include <array>

namespace ipcdoctor::probes {

// Each is defined in its folder's probe.cpp.
extern const diagnosis::Probe kUnclassifiedDeadlock;

std::span<const diagnosis::Probe* const> all_probes() {
  static constexpr std::array<const diagnosis::Probe*, 1> kProbes = {
      &kUnclassifiedDeadlock,
  };
  return kProbes;
}

}  // namespace ipcdoctor::probes
