#pragma once

#include "base/ids.h"
#include "base/result.h"

namespace ipcdoctor::collect {

/// Can this process be looked into? The error's text says in one line what it is instead, or what
/// to do.
Status check_target(Pid pid);

}  // namespace ipcdoctor::collect
