#include "runtime/native/library_calls.h"

#include <string_view>

namespace ipcdoctor::runtime::native {
namespace {

using snapshot::Operation;

struct Row {
  std::string_view type, method;  ///< parts of the function's name, in this order
  std::string_view call;
  Operation operation;
};

constexpr Row kRows[] = {
    {"std::sync::mpsc::Receiver<", "::recv", "mpsc::Receiver::recv", Operation::Take},
    {"std::sync::mpsc::SyncSender<", "::send", "mpsc::SyncSender::send", Operation::Put},
    {"std::sync::barrier::Barrier", "::wait", "Barrier::wait", Operation::AwaitParties},
};

bool is(const Row& row, std::string_view function) {
  const std::size_t at = function.find(row.type);
  if (at == std::string_view::npos) return false;
  const std::size_t method = function.find(row.method, at);
  return method != std::string_view::npos &&
         function.find("::{", method) == std::string_view::npos;  // no closure in it
}

}  // namespace

snapshot::Activity library_call(std::span<const snapshot::Frame> frames) {
  snapshot::Activity activity;
  for (const snapshot::Frame& frame : frames)
    for (const Row& row : kRows)
      if (activity.call.empty() && is(row, frame.function)) {
        activity.call = row.call;
        activity.operation = row.operation;
      }
  return activity;
}

}  // namespace ipcdoctor::runtime::native
