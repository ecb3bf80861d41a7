#include "probes/all_probes.h"

namespace ipcdoctor::probes {

std::span<const diagnosis::Probe* const> all_probes() { return {}; }

}  // namespace ipcdoctor::probes
