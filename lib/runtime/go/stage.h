#pragma once

#include <string_view>
#include <vector>

#include "runtime/go/program.h"

namespace ipcdoctor::runtime::go {

/// What a parked goroutine is in. `frames` are innermost first.
Stage stage_of(const std::vector<snapshot::Frame>& frames);

/// A package of Go's distribution, by the name of one of its functions.
bool is_standard_package(std::string_view function);

}  // namespace ipcdoctor::runtime::go
