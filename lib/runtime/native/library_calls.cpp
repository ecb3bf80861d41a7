#include "runtime/native/library_calls.h"

#include <algorithm>
#include <string_view>

namespace ipcdoctor::runtime::native {
namespace {

using snapshot::Operation;
using snapshot::Resource;

struct Row {
  std::string_view type, method;  ///< parts of the function's name, in this order
  std::string_view call;
  Operation operation;
  Resource kind;
};

constexpr Row kRows[] = {
    {"std::sync::mpsc::Receiver<", "::recv", "mpsc::Receiver::recv", Operation::Take,
     Resource::Queue},
    {"std::sync::mpsc::SyncSender<", "::send", "mpsc::SyncSender::send", Operation::Put,
     Resource::Queue},
    {"std::sync::barrier::Barrier", "::wait", "Barrier::wait", Operation::AwaitParties,
     Resource::Barrier},
};

/// Further out on the stack of a thread that runs a task; the second where the first is inlined.
constexpr std::string_view kTasks[] = {"std::packaged_task<", "std::__future_base::_Task_state<"};

/// Libraries of OpenMP: the team of threads is kept for the next parallel region.
constexpr std::string_view kTeams[] = {"libgomp.so", "libomp.so", "libiomp5.so"};

template <std::size_t N>
bool begins(std::string_view text, const std::string_view (&with)[N]) {
  return std::ranges::any_of(with, [&](std::string_view one) { return text.starts_with(one); });
}

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
        activity.object.kind = row.kind;
        activity.object.reach = snapshot::Reach::Memory;
      }
  return activity;
}

bool runs_a_task(std::span<const snapshot::Frame> frames) {
  return std::ranges::any_of(
      frames, [](const snapshot::Frame& frame) { return begins(frame.function, kTasks); });
}

bool is_of_a_team(std::span<const snapshot::Frame> frames) {
  constexpr std::size_t kInnermost = 4;
  return std::ranges::any_of(
      frames.first(std::min(kInnermost, frames.size())),
      [](const snapshot::Frame& frame) { return begins(frame.module, kTeams); });
}

}  // namespace ipcdoctor::runtime::native
