#include "collect/collect.h"

#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <map>
#include <tuple>

#include "collect/collector.h"
#include "collect/helper.h"
#include "collect/place.h"
#include "collect/stacks.h"
#include "collect/targets.h"
#include "linux/capabilities.h"
#include "snapshot/bytes.h"

namespace ipcdoctor::collect {

using snapshot::Snapshot;

namespace {

/// Read once: `run` and `watch` look often, and neither Yama's scope nor our rights change for
/// that.
bool only_ancestors_may_look() {
  static const bool only = [] {
    const auto rights = linux::read_own_rights();
    return rights && rights->ptrace_scope == 1 && !rights->can_ptrace();
  }();
  return only;
}

}  // namespace

Result<Snapshot> collect(const std::vector<Pid>& targets, const Options& options) {
  if (targets.empty()) return Error{Cause::Gone, 0, "no process was named"};
  for (const Pid target : targets) {
    const Status status = check_target(target);
    if (!status) return status.error();
  }
  const std::int64_t begin_ms = milliseconds_since_1970();
  const Pid self{::getpid()};
  const auto answer =
      run_in_helper({options.deadline, options.patience, only_ancestors_may_look(), options.tick},
                    [&](Progress& progress, const Send& send) {
                      // for where the rest takes too long, or is where the next helper stalls
                      const auto draft = [&](Snapshot early) {
                        early.unseen.push_back(
                            {{}, {}, Error{Cause::TimedOut, 0, "read what the threads do next"}});
                        send(snapshot::encode(early));
                      };
                      send(snapshot::encode(collect_here(targets, options, self, progress, draft)));
                    });
  if (!answer) return answer.error();
  Result<Snapshot> snapshot = snapshot::decode(*answer);
  if (snapshot && options.place) finish_place(snapshot->place, begin_ms, options.after);
  return snapshot;
}

Snapshot collect_place(const Options& options) {
  Snapshot snapshot;
  snapshot.tool_version = IPCDOCTOR_VERSION;
  name_host(snapshot);
  snapshot.time = ::time(nullptr);
  snapshot.all_holders_seen = snapshot.in_init_pid_ns = true;  // nobody waits for anything
  finish_place(snapshot.place, milliseconds_since_1970(), options.after);
  return snapshot;
}

namespace {

using Frames = std::vector<snapshot::Frame>;

struct Place {
  const snapshot::Process* process;
  const Frames* frames;
};

/// The same places in the same images of the same program are one: they have the same names.
struct ByNames {
  bool operator()(const Place& a, const Place& b) const {
    const auto program = [](const Place& place) {
      return std::tie(place.process->exe, place.process->mount_ns);
    };
    const auto frame = [](const snapshot::Frame& f) {
      return std::tie(f.offset, f.line, f.module, f.function, f.file);
    };
    if (program(a) != program(b)) return program(a) < program(b);
    return std::ranges::lexicographical_compare(*a.frames, *b.frames, {}, frame, frame);
  }
};

/// Gives a stack the names of `like`, which was `unnamed` before it had them. Its memory stays
/// where it is: there may be thousands.
void name_as(const Frames& like, const Frames& unnamed, Frames& frames) {
  std::vector<RemoteAddr> places;
  for (const snapshot::Frame& frame : frames) places.push_back(frame.pc);
  frames.resize(like.size());
  for (std::size_t i = 0; i < like.size(); ++i) {
    frames[i] = like[i];
    const auto it = std::ranges::find(unnamed, like[i].pc, &snapshot::Frame::pc);
    if (it != unnamed.end()) frames[i].pc = places[static_cast<std::size_t>(it - unnamed.begin())];
  }
}

}  // namespace

void symbolise(Snapshot& snapshot, const std::vector<snapshot::TaskRef>& all,
               std::chrono::milliseconds deadline) {
  constexpr std::size_t kMaxDifferent = 256;
  std::vector<snapshot::TaskRef> tasks;
  std::map<Place, std::vector<snapshot::Thread*>, ByNames> alike;
  std::map<snapshot::TaskRef, const std::vector<snapshot::Thread*>*> asked;
  for (const snapshot::TaskRef& task : all) {
    const snapshot::Process* process = snapshot::find_process(snapshot, task.pid);
    snapshot::Thread* thread = snapshot::find_thread(snapshot, task);
    if (process == nullptr || thread == nullptr || !thread->native || thread->native->empty())
      continue;
    const auto [it, is_new] = alike.try_emplace({process, &*thread->native});
    it->second.push_back(thread);
    if (!is_new || tasks.size() == kMaxDifferent) continue;
    tasks.push_back(task);
    asked.emplace(task, &it->second);
  }
  const auto answer = run_in_helper(
      {deadline, deadline, only_ancestors_may_look()}, [&](Progress& progress, const Send& send) {
        send(snapshot::encode(symbolise_here(snapshot, tasks, progress)));
      });
  auto named = answer ? snapshot::decode_stacks(*answer) : answer.error();
  if (!named) {
    Error why = named.error();
    why.what = "read the lines of stacks: " + why.what;
    snapshot.unseen.push_back({Pid{}, Tid{}, std::move(why)});
    return;
  }
  std::ranges::move(named->unseen, std::back_inserter(snapshot.unseen));
  for (snapshot::NamedStack& stack : named->stacks) {
    const auto group = asked.find(stack.task);
    if (group == asked.end()) continue;
    const Frames unnamed = *group->second->front()->native;
    for (snapshot::Thread* one : *group->second) {
      name_as(stack.frames, unnamed, *one->native);
      find_library_call(*one);
    }
  }
}

}  // namespace ipcdoctor::collect
