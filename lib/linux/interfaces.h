#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace ipcdoctor::linux {

/// The IP addresses of the calling thread's network namespace, without those of the loopback
/// device: "10.0.0.1", "fd00::1"; each once, sorted. See getifaddrs(3).
Result<std::vector<std::string>> read_interface_addresses();

}  // namespace ipcdoctor::linux
