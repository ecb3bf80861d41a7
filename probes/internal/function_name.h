#pragma once

#include <string_view>

#include "snapshot/snapshot.h"

namespace ipcdoctor::probes {

/// Whether a frame's function is called so. From Python 3.11 on its name is qualified:
/// "Pool._handle_results", "Server.serve_client", "main.<locals>.worker".
inline bool is_function(const snapshot::Frame& frame, std::string_view name) {
  const std::string_view function = frame.function;
  if (frame.kind != snapshot::FrameKind::Interpreted || !function.ends_with(name))
    return function == name;
  return function.size() == name.size() || function[function.size() - name.size() - 1] == '.';
}

}  // namespace ipcdoctor::probes
