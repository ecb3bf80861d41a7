#pragma once

#include "runtime/cpython/describe.h"

namespace ipcdoctor::runtime::cpython {

/// The object that is being described, and where to.
struct Describer::Out {
  Object self;
  snapshot::RuntimeObject& to;
};

template <class T>
void Describer::put(Out& out, snapshot::Number key, std::uint64_t address) const {
  if (const auto value = objects_->remote().find<T>(address)) out.to.numbers.set(key, *value);
}

}  // namespace ipcdoctor::runtime::cpython
