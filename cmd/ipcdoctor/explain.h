#pragma once

#include <string>

#include "base/result.h"

namespace ipcdoctor::cmd {

/// The page of a class by its slug or code. @return Unsupported with the nearest name
Result<std::string> page_of(const std::string& name);

}  // namespace ipcdoctor::cmd
