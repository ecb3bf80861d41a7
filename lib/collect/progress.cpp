#include "collect/progress.h"

#include <algorithm>
#include <array>

namespace ipcdoctor::collect {

std::string to_string(const Mark& mark) {
  static constexpr std::array kNames = {
      "facts",    "blocked call of", "descriptors of", "fdinfo of",       "descriptor of",
      "maps of",  "memory of",       "path of",        "command line of", "environment of",
      "stack of", "runtime of",      "lock of",        "registers of",    "tasks of the kernel for",
      "code of"};
  std::string text = std::string("read ") + kNames[static_cast<std::size_t>(mark.fact)] + " " +
                     std::to_string(mark.pid);
  if (mark.tid != 0 && mark.tid != mark.pid) text += "/" + std::to_string(mark.tid);
  return text;
}

bool Progress::begin(const Mark& mark) {
  if (!skip_.empty() && std::ranges::find(skip_, mark) != skip_.end()) return false;
  shared_.pid.store(mark.pid, std::memory_order_relaxed);
  shared_.tid.store(mark.tid, std::memory_order_relaxed);
  shared_.fact.store(mark.fact, std::memory_order_relaxed);
  shared_.steps.fetch_add(1, std::memory_order_release);
  return true;
}

void Progress::end() {
  shared_.fact.store(Fact::None, std::memory_order_relaxed);
  shared_.steps.fetch_add(1, std::memory_order_release);
}

}  // namespace ipcdoctor::collect
