#include "report/words.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <map>
#include <ranges>
#include <set>

#include "base/text.h"

namespace ipcdoctor::report {

using snapshot::Access;
using snapshot::FrameKind;
using snapshot::Scope;
using snapshot::WaitKind;

namespace {

/// A saved file may hold any number.
template <class Enum, std::size_t N>
std::string_view pick(const std::array<std::string_view, N>& words, Enum value) {
  const auto index = static_cast<std::size_t>(value);
  return index < N ? words[index] : "unknown";
}

}  // namespace

std::string_view word_for(Scope scope) {
  static constexpr std::array<std::string_view, 7> kWords = {
      "target", "descendant", "related", "holder", "outsider", "self", "ancestor"};
  return pick(kWords, scope);
}

std::string_view word_for(WaitKind kind) {
  static constexpr std::array<std::string_view, 27> kWords = {
      "running",        "read",      "write",        "poll",           "epoll",      "open-fifo",
      "accept",         "connect",   "futex",        "child",          "vfork",      "file-lock",
      "sysv-semaphore", "sysv-send", "sysv-receive", "mq-send",        "mq-receive", "sleep",
      "signal",         "stopped",   "traced",       "kernel-service", "close",      "io-uring",
      "exiting",        "terminal",  "unknown"};
  static_assert(static_cast<std::size_t>(WaitKind::Unknown) == 26);
  return pick(kWords, kind);
}

std::string_view word_for(Access access) {
  static constexpr std::array<std::string_view, 4> kWords = {"none", "read", "write", "both"};
  return pick(kWords, access);
}

std::string_view word_for(FrameKind kind) {
  static constexpr std::array<std::string_view, 3> kWords = {"native", "inlined", "python"};
  return pick(kWords, kind);
}

std::string_view word_for(graph::Level level) {
  static constexpr std::array<std::string_view, 6> kWords = {"live",      "conditional", "stuck",
                                                             "suspected", "assuming",    "proved"};
  return pick(kWords, level);
}

std::string_view word_for(Cause cause) {
  static constexpr std::array<std::string_view, 8> kWords = {
      "not-read", "gone", "denied", "unsupported", "malformed", "timed-out", "limit", "other"};
  return pick(kWords, cause);
}

std::string capitals(diagnosis::Verdict verdict) {
  std::string word = to_string(verdict);
  std::ranges::transform(word, word.begin(), [](char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  });
  return word;
}

std::string_view words_for(diagnosis::Verdict verdict) {
  switch (verdict) {
    case diagnosis::Verdict::Waiting:
      return "no deadlock: what is waited for can still come";
    case diagnosis::Verdict::Running:
      return "no deadlock: it makes progress";
    case diagnosis::Verdict::Inconclusive:
      return "too little could be seen to tell";
    case diagnosis::Verdict::Deadlock:
    case diagnosis::Verdict::Stuck:
      break;
  }
  return "";
}

std::string state_words(const snapshot::Thread& thread) {
  if (!thread.wait) return "unknown: " + escape_untrusted(to_string(thread.wait.error()));
  const snapshot::Wait& wait = *thread.wait;
  if (wait.kind == WaitKind::Running) return "runs";
  const std::string call =
      wait.call.empty() ? std::string(word_for(wait.kind)) : escape_untrusted(wait.call);
  return call + (wait.detail.empty() ? "" : "(" + escape_untrusted(wait.detail) + ")");
}

std::vector<const snapshot::Process*> examined(const snapshot::Snapshot& snapshot) {
  std::vector<const snapshot::Process*> processes;
  for (const snapshot::Process& process : snapshot.processes) {
    if (process.scope != Scope::Outsider && process.scope != Scope::Self)
      processes.push_back(&process);
  }
  return processes;
}

bool is_outside(const snapshot::Snapshot& snapshot, const snapshot::Unseen& unseen) {
  if (unseen.pid.value <= 0 || unseen.error.cause != Cause::Denied) return false;
  const snapshot::Process* process = find_process(snapshot, unseen.pid);
  return process == nullptr || process->scope == Scope::Outsider;
}

std::vector<std::string> unseen_lines(const snapshot::Snapshot& snapshot,
                                      const std::vector<Error>& inconclusive, bool each) {
  constexpr std::size_t kNamed = 3;
  std::vector<std::string> lines;
  std::map<std::string, std::size_t> facts;
  std::set<Pid> outsiders;
  for (const snapshot::Unseen& unseen : snapshot.unseen) {
    if (each || !is_outside(snapshot, unseen)) {
      ++facts[to_string(unseen.error)];
    } else {
      outsiders.insert(unseen.pid);
    }
  }
  if (!outsiders.empty()) {
    std::string named;
    for (const Pid pid : outsiders | std::views::take(kNamed))
      named += (named.empty() ? "" : ", ") + number_of(snapshot, pid);
    lines.push_back("descriptors of " + count_of(outsiders.size(), "process", "processes") +
                    " outside the tree (PID " + named + (outsiders.size() > kNamed ? ", ..." : "") +
                    ")");
  }
  for (const Error& error : inconclusive) ++facts[to_string(error)];
  for (const auto& [text, count] : facts)
    lines.push_back(text + (count > 1 ? " (" + std::to_string(count) + " times)" : ""));
  return lines;
}

std::string frame_words(const snapshot::Frame& frame) {
  std::string place;
  if (frame.line > 0) {
    place = frame.file.substr(frame.file.rfind('/') + 1) + ":" + std::to_string(frame.line);
  } else if (!frame.module.empty()) {
    char offset[24];
    std::snprintf(offset, sizeof offset, "+0x%llx", static_cast<unsigned long long>(frame.offset));
    place = frame.module.substr(frame.module.rfind('/') + 1) + offset;
  } else {
    place = "?";
  }
  return escape_untrusted(place + (frame.function.empty() ? "" : " in " + frame.function));
}

std::string place_words(const snapshot::Thread& thread) {
  std::string place = snapshot::where(thread);
  const snapshot::Frame* frame = snapshot::user_frame(thread);
  if (frame != nullptr && !frame->function.empty())
    place += (place.empty() ? "in " : " in ") + frame->function;
  return escape_untrusted(place);
}

std::string caller_words(const snapshot::Snapshot& snapshot, snapshot::TaskRef task,
                         std::string_view where) {
  if (task.tid.value == 0) task.tid = Tid{task.pid.value};
  const snapshot::Thread* thread = snapshot::find_thread(snapshot, task);
  if (thread == nullptr || where.empty() || snapshot::where(*thread) != where) return "";
  const snapshot::Frame* frame = snapshot::user_frame(*thread);
  for (const auto* frames : {&thread->interpreted, &thread->native}) {
    if (!*frames) continue;
    auto it = std::ranges::find(**frames, frame, [](const auto& f) { return &f; });
    if (it == (*frames)->end()) continue;
    it = std::find_if(it + 1, (*frames)->end(), [&](const snapshot::Frame& caller) {
      return caller.user_code && !caller.guessed && caller.line > 0;
    });
    if (it == (*frames)->end() || it->file == frame->file) return "";
    return ", from " + frame_words(*it);
  }
  return "";
}

int number_in_list(const snapshot::Snapshot& snapshot, Tid tid) {
  return snapshot::is_fiber(tid) ? tid.value - snapshot::kFirstFiber
                                 : snapshot::local_number(snapshot, tid.value);
}

std::string name_in_list(const snapshot::Snapshot& snapshot, Tid tid) {
  return (snapshot::is_fiber(tid) ? "task " : "thread ") +
         std::to_string(number_in_list(snapshot, tid));
}

std::string labels_of(const snapshot::Snapshot& snapshot,
                      const std::vector<snapshot::TaskRef>& tasks, std::size_t limit) {
  const auto label = [&](snapshot::TaskRef task) {
    return escape_untrusted(snapshot::label(snapshot, task));
  };
  std::string out = label(tasks.front());
  const std::string program = out.substr(0, out.rfind('[') + 1);
  for (std::size_t i = 1; i < tasks.size() && i < limit; ++i) {
    const std::string name = label(tasks[i]);
    const bool is_same = tasks.size() > 2 && name.starts_with(program);
    out += ", " + (is_same ? name.substr(name.rfind('[')) : name);
  }
  if (tasks.size() > limit) out += " and " + std::to_string(tasks.size() - limit) + " more";
  return out;
}

std::vector<const diagnosis::StuckTask*> stuck_beside_blame(const diagnosis::Finding& finding) {
  std::map<snapshot::TaskRef, std::vector<const diagnosis::Culprit*>> blamed;
  for (const diagnosis::Culprit& c : finding.culprits) blamed[c.task].push_back(&c);
  std::vector<const diagnosis::StuckTask*> rest;
  const bool others = !std::ranges::all_of(finding.stuck, &diagnosis::StuckTask::serves);
  for (const diagnosis::StuckTask& s : finding.stuck) {
    const auto it = blamed.find(s.task);
    const bool is_said =
        it != blamed.end() && std::ranges::any_of(it->second, [&](const diagnosis::Culprit* c) {
          return c->where == s.where && c->why.find(s.waits_for) != std::string::npos;
        });
    if (!is_said && !(s.serves && others)) rest.push_back(&s);
  }
  return rest;
}

std::string why_beside_title(const diagnosis::Finding& finding, const diagnosis::Culprit& culprit) {
  return finding.title.find(culprit.why) == std::string::npos ? culprit.why : "";
}

std::string checked_words(const diagnosis::Finding& finding) {
  if (finding.repairs.empty()) return "";
  const diagnosis::Repair& repair = finding.repairs.front();
  const std::size_t freed = repair.frees.size();
  const std::string who = !repair.frees_all() ? std::to_string(freed) + " of the " +
                                                    std::to_string(repair.of) + " stuck tasks"
                          : freed == 1 ? "it"
                          : freed == 2 ? "both"
                                       : "all " + std::to_string(freed) + " stuck tasks";
  return "Checked: with " + escape_untrusted(repair.what) + ", " + who + " could go on.";
}

std::string fd_words(const diagnosis::Culprit& culprit) {
  const std::string fd = "fd " + std::to_string(culprit.fd);
  return culprit.fd < 0 || culprit.why.find(fd) != std::string::npos ? "" : fd;
}

std::string count_of(std::size_t n, std::string_view singular, std::string_view plural) {
  return std::to_string(n) + " " + std::string(n == 1 ? singular : plural);
}

std::string without_numbers(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool is_digit = c >= '0' && c <= '9';
    if (!is_digit)
      out += c;
    else if (out.empty() || out.back() != '#')
      out += '#';
  }
  return out;
}

}  // namespace ipcdoctor::report
