#include "runtime/node/v8.h"
#include "runtime/perl/frames.h"
#include "runtime/php/frames.h"
#include "runtime/runtime.h"

namespace ipcdoctor::runtime {

std::span<const Runtime> runtimes() {
  static constexpr Runtime kRuntimes[] = {
      {"Perl", perl::read},
      {"PHP", php::read},
      {"Node", node::read},
  };
  return kRuntimes;
}

}  // namespace ipcdoctor::runtime
