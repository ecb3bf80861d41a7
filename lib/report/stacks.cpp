#include "report/stacks.h"

#include <algorithm>
#include <map>
#include <ostream>

#include "base/text.h"
#include "report/crowd.h"
#include "report/report.h"
#include "report/words.h"

namespace ipcdoctor::report {
namespace {

using snapshot::Frame;
using snapshot::Thread;

constexpr std::size_t kMaxListedThreads = 8;

std::string missing_text(const Result<std::vector<Frame>>& frames, std::string_view kind) {
  if (frames || frames.error().cause == Cause::NotRead) return "";
  return "      (" + std::string(kind) + " stack: " + escape_untrusted(to_string(frames.error())) +
         ")\n";
}

bool is_evaluation(const Frame& frame) {
  return frame.function == "_PyEval_EvalFrameDefault";  // CPython 3.6 and later
}

std::string stack_of(const Thread& thread) {
  std::string out =
      missing_text(thread.interpreted, "interpreter's") + missing_text(thread.native, "native");
  for (const Frame& frame : merged_stack(thread))
    out += "      " + frame_words(frame) + (frame.guessed ? "  (guessed)" : "") + "\n";
  return out;
}

std::string threads_text(const snapshot::Snapshot& snapshot,
                         const std::vector<const Thread*>& threads) {
  std::string out = std::to_string(threads.size()) + " threads ";
  if (threads.size() == 1) out = snapshot::is_fiber(threads[0]->tid) ? "" : "thread ";
  for (std::size_t i = 0; i < threads.size() && i < kMaxListedThreads; ++i) {
    const std::string name = threads[i]->name.empty() ? threads[i]->comm : threads[i]->name;
    const bool is_fiber = snapshot::is_fiber(threads[i]->tid);  // its name has its number
    out += (i == 0 ? "" : ", ") +
           (is_fiber ? "" : std::to_string(number_in_list(snapshot, threads[i]->tid)) + " ") +
           escape_untrusted(name);
  }
  return out + (threads.size() > kMaxListedThreads ? ", ..." : "");
}

}  // namespace

std::vector<Frame> merged_stack(const Thread& thread) {
  static const std::vector<Frame> kNone;
  const std::vector<Frame>& native = thread.native ? *thread.native : kNone;
  const std::vector<Frame>& interpreted = thread.interpreted ? *thread.interpreted : kNone;
  if (std::ranges::none_of(native, is_evaluation)) {
    std::vector<Frame> out = interpreted;
    out.insert(out.end(), native.begin(), native.end());
    return out;
  }
  std::vector<Frame> out;
  auto next = interpreted.begin();
  for (const Frame& frame : native) {
    if (!is_evaluation(frame)) {
      out.push_back(frame);
      continue;
    }
    for (bool more = true; more && next != interpreted.end(); ++next) {
      out.push_back(*next);
      more = !next->entry;
    }
  }
  out.insert(out.end(), next, interpreted.end());  // the native stack was cut
  return out;
}

std::string stacks_text(const snapshot::Snapshot& snapshot,
                        const std::vector<const snapshot::Process*>& of) {
  std::vector<const snapshot::Process*> processes;
  std::vector<std::string> texts, bodies;
  for (const snapshot::Process* process : of) {
    if (process->threads.empty()) continue;
    std::map<std::string, std::vector<const Thread*>> groups;
    for (const Thread& thread : process->threads)
      groups[state_words(thread) + "\n" + stack_of(thread)].push_back(&thread);
    std::string text = process->comm + "\n", body;
    for (const auto& [stack, threads] : groups) {
      text += std::to_string(threads.size()) + stack;
      body += "    " + threads_text(snapshot, threads) + "  " + stack;
    }
    processes.push_back(process);
    texts.push_back(std::move(text));
    bodies.push_back(std::move(body));
  }
  std::string out;
  for (const Line& line : crowds_folded(texts)) {
    const snapshot::Process& process = *processes[line.index];
    out += "  " + escape_untrusted(label(snapshot, {process.pid, Tid{}})) + and_more(line.more) +
           "\n" + bodies[line.index];
  }
  return out;
}

void write_stacks_text(std::ostream& out, const snapshot::Snapshot& snapshot) {
  out << stacks_text(snapshot, examined(snapshot));
  for (const std::string& line : unseen_lines(snapshot, {}, false))
    out << "not seen: " << escape_untrusted(line) << "\n";
}

}  // namespace ipcdoctor::report
