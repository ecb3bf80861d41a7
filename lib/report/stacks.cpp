#include "report/stacks.h"

#include <map>

#include "base/text.h"
#include "report/words.h"

namespace ipcdoctor::report {
namespace {

using snapshot::Frame;
using snapshot::Thread;

constexpr std::size_t kMaxListedThreads = 8;

std::string frames_text(const Result<std::vector<Frame>>& frames, std::string_view kind) {
  if (!frames) {
    if (frames.error().cause == Cause::NotRead) return "";
    return "      (" + std::string(kind) +
           " stack: " + escape_untrusted(to_string(frames.error())) + ")\n";
  }
  std::string out;
  for (const Frame& frame : *frames) {
    out += "      " + frame_words(frame) + (frame.guessed ? "  (guessed)" : "") + "\n";
  }
  return out;
}

std::string stack_of(const Thread& thread) {
  return frames_text(thread.python, "Python") + frames_text(thread.native, "native");
}

std::string threads_text(const std::vector<const Thread*>& threads) {
  std::string out = threads.size() == 1 ? "thread " : std::to_string(threads.size()) + " threads ";
  for (std::size_t i = 0; i < threads.size() && i < kMaxListedThreads; ++i) {
    const std::string name = threads[i]->name.empty() ? threads[i]->comm : threads[i]->name;
    out +=
        (i == 0 ? "" : ", ") + std::to_string(threads[i]->tid.value) + " " + escape_untrusted(name);
  }
  return out + (threads.size() > kMaxListedThreads ? ", ..." : "");
}

}  // namespace

std::string stacks_text(const snapshot::Snapshot& snapshot) {
  std::string out;
  for (const snapshot::Process* process : examined(snapshot)) {
    if (process->threads.empty()) continue;
    std::map<std::string, std::vector<const Thread*>> groups;
    for (const Thread& thread : process->threads) {
      groups[state_words(thread) + "\n" + stack_of(thread)].push_back(&thread);
    }
    out +=
        "  " + escape_untrusted(process->comm) + "[" + std::to_string(process->pid.value) + "]\n";
    for (const auto& [text, threads] : groups) out += "    " + threads_text(threads) + "  " + text;
  }
  return out;
}

}  // namespace ipcdoctor::report
