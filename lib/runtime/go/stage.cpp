#include "runtime/go/stage.h"

#include <algorithm>
#include <array>

namespace ipcdoctor::runtime::go {
namespace {

using snapshot::Frame;

bool is_of_runtime(const Frame& frame) {
  constexpr std::string_view kOwn[] = {"runtime.", "runtime/", "internal/runtime/",
                                       // started by the runtime, woken by its collector
                                       "unique.runtime_registerUniqueMapCleanup"};
  return std::ranges::any_of(kOwn,
                             [&](std::string_view own) { return frame.function.starts_with(own); });
}

bool is_park(std::string_view function) {
  return function == "runtime.gopark" || function == "runtime.goparkunlock" ||
         function == "runtime.mcall";
}

struct Row {
  std::string_view function;  ///< that parks
  Stage stage;
};

constexpr Row kParks[] = {
    {"runtime.netpollblock", Stage::Ready}, {"runtime.chanrecv", Stage::Receive},
    {"runtime.chansend", Stage::Send},      {"runtime.selectgo", Stage::Select},
    {"runtime.block", Stage::Forever},      {"runtime.semacquire1", Stage::Semaphore},
    {"time.Sleep", Stage::Sleep},           {"sync.runtime_notifyListWait", Stage::Condition},
};

/// What makes a stage more exact: methods of the library further out, by the begin of their names.
struct Detail {
  Stage of;
  std::string_view prefix;
  Stage stage;
};

constexpr Detail kDetails[] = {
    {Stage::Ready, "internal/poll.(*FD).Accept", Stage::Accept},
    {Stage::Ready, "internal/poll.(*FD).Read", Stage::Read},
    {Stage::Ready, "internal/poll.(*FD).Write", Stage::Write},
    {Stage::Semaphore, "sync.(*Mutex).", Stage::Mutex},
    {Stage::Semaphore, "internal/sync.(*Mutex).", Stage::Mutex},
    {Stage::Semaphore, "sync.(*RWMutex).R", Stage::ReadLock},
    {Stage::Semaphore, "sync.(*RWMutex).Lock", Stage::WriteLock},
    {Stage::Semaphore, "sync.(*WaitGroup).Wait", Stage::WaitGroup},
};

/// A writer that waits for the mutex inside of a RWMutex waits for another writer.
Stage refined(Stage stage, const std::vector<Frame>& frames) {
  for (const Frame& frame : frames) {
    if (frame.user_code) break;
    for (const Detail& detail : kDetails)
      if (detail.of == stage && frame.function.starts_with(detail.prefix)) return detail.stage;
  }
  return stage;
}

}  // namespace

Stage stage_of(const std::vector<Frame>& frames) {
  if (frames.empty()) return Stage::Other;
  if (std::ranges::all_of(frames, is_of_runtime)) {
    // main() may have been inlined into nothing, but runtime.main runs nothing else for ever
    const bool is_main =
        std::ranges::find(frames, "runtime.main", &Frame::function) != frames.end();
    if (!is_main) return Stage::System;
  }
  const auto parks =
      std::ranges::find_if(frames, [](const Frame& frame) { return !is_park(frame.function); });
  if (parks == frames.begin() || parks == frames.end()) return Stage::Other;
  const auto row = std::ranges::find(kParks, std::string_view(parks->function), &Row::function);
  return row == std::end(kParks) ? Stage::Other : refined(row->stage, frames);
}

bool is_standard_package(std::string_view function) {
  // go list std, the first elements of the paths
  constexpr std::string_view kNames[] = {
      "archive",  "bufio",  "bytes",   "cmp",      "compress", "container", "context", "crypto",
      "database", "debug",  "embed",   "encoding", "errors",   "expvar",    "flag",    "fmt",
      "go",       "hash",   "html",    "image",    "index",    "internal",  "io",      "iter",
      "log",      "maps",   "math",    "mime",     "net",      "os",        "path",    "plugin",
      "reflect",  "regexp", "runtime", "simd",     "slices",   "sort",      "strconv", "strings",
      "structs",  "sync",   "syscall", "testing",  "text",     "time",      "unicode", "unique",
      "unsafe",   "vendor", "weak"};
  const std::string_view first = function.substr(0, function.find_first_of("/."));
  const bool is_domain = function.size() > first.size() && function[first.size()] == '.' &&
                         function.find('/') != std::string_view::npos &&
                         function.find('/') < function.find('(');
  return !is_domain && std::ranges::binary_search(kNames, first);
}

}  // namespace ipcdoctor::runtime::go
