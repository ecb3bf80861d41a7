#pragma once

#include "runtime/cpython/describe.h"

namespace ipcdoctor::runtime::cpython {

/// The object that is being described, and where to.
struct Describer::Out {
  Object self;
  snapshot::RuntimeObject& to;
};

}  // namespace ipcdoctor::runtime::cpython
