#include "report/picture.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "base/text.h"
#include "report/crowd.h"
#include "report/words.h"

namespace ipcdoctor::report {
namespace {

using diagnosis::ChainLink;
using diagnosis::Finding;
using snapshot::LockKind;
using snapshot::TaskRef;
using snapshot::Thread;
using snapshot::WaitKind;
using Node = Picture::Node;

constexpr std::size_t kMaxKnot = 8;    // tasks of a longer cycle are drawn as a crowd too
constexpr std::size_t kMaxNodes = 24;  // kinds of tasks; the others are counted

/// The process as a whole stands at its leader.
TaskRef leader_of(TaskRef task) {
  return task.tid.value == 0 ? TaskRef{task.pid, Tid{task.pid.value}} : task;
}

/// What stands between a waiter and who could end its wait; without a name: nothing does, as
/// where it waits for an exit.
struct Awaited {
  std::string key;
  std::string name;
  std::string fill;
};

std::string fill_of(const snapshot::Object* object) {
  if (object == nullptr || !object->queued) return "";
  const std::string queued = std::to_string(*object->queued);
  if (!object->capacity) return queued + " queued";
  return queued + " of " + std::to_string(*object->capacity) + " queued";
}

std::string number(std::uint64_t value) {
  return " " + std::to_string(value);
}

Awaited awaited_by(const snapshot::Snapshot& snapshot, TaskRef task) {
  const snapshot::Process* process = snapshot::find_process(snapshot, task.pid);
  const Thread* thread = snapshot::find_thread(snapshot, task);
  if (process == nullptr || thread == nullptr || !thread->wait) return {};
  const snapshot::Wait& wait = *thread->wait;
  const auto of = [&](const snapshot::ObjectId& id) {
    return Awaited{
        "object" + number(static_cast<std::uint64_t>(id.kind)) + number(id.dev) + number(id.ino),
        diagnosis::object_name(snapshot, id), fill_of(snapshot::find_object(snapshot, id))};
  };
  const std::string words = diagnosis::describe_wait(snapshot, task);
  switch (wait.kind) {
    case WaitKind::Running:
    case WaitKind::Child:
    case WaitKind::Vfork:
    case WaitKind::Sleep:
    case WaitKind::Signal:
    case WaitKind::Stopped:
    case WaitKind::Traced:
    case WaitKind::Exiting:
      return {};
    case WaitKind::FileLock:
      return of(wait.file_lock.file);
    case WaitKind::OpenFifo:
      return {words, diagnosis::opened_path(snapshot, wait), ""};
    case WaitKind::Futex: {
      const snapshot::FutexWait& futex = wait.futex;
      if (snapshot::is_join(futex.lock.kind)) return {};
      const snapshot::RuntimeObject& object = thread->activity.object;
      const std::string library = object.type + " `" + object.name + "`";
      const std::string key =
          futex.shared_memory
              ? "page" + number(futex.page.dev) + number(futex.page.ino) + number(futex.page.offset)
              : "memory" + number(static_cast<std::uint64_t>(process->mm_group.value)) +
                    number(futex.address.value);
      return {key, words.ends_with(library) ? library : words, ""};
    }
    default:
      break;
  }
  if (wait.objects.size() == 1 && wait.objects.front().object.kind == snapshot::ObjectKind::PidFd)
    return {};
  if (wait.objects.size() == 1 && wait.kind != WaitKind::Epoll)
    return of(wait.objects.front().object);
  return {"words " + words, words, ""};
}

/// "data or EOF" of "data or EOF on pipe:[7]".
std::string what_of(std::string words, const std::string& name) {
  if (!words.ends_with(name) || words.size() == name.size()) return "waits for";
  words.resize(words.size() - name.size());
  for (const std::string_view glue : {" on ", " in ", " of ", " from ", ", "})
    if (words.ends_with(glue)) words.resize(words.size() - glue.size());
  return words;
}

/// How somebody could end a wait for an object.
std::string role_of(const ChainLink& link) {
  static const std::map<std::string_view, const char*> kRoles = {
      {"pipe-write-end", "has its write end"},
      {"pipe-read-end", "has its read end"},
      {"socket-peer", "has its other end"},
      {"lock-owner", "held by"},
      {"file-lock", "locked by"},
      {"gil", "held by"},
      {"same-memory", "in the memory of"},
      {"shared-page", "in the memory of"},
      {"listener", "has to accept it"}};
  if (link.evidence.starts_with("fd ")) return link.evidence;
  const auto role = kRoles.find(link.by);
  if (role != kRoles.end()) return role->second;
  return link.by.empty() ? "could act on it" : link.by;
}

std::string why_of(const diagnosis::Culprit& culprit) {
  const std::string fd = "fd " + std::to_string(culprit.fd);
  const bool says_fd = culprit.fd < 0 || culprit.why.find(fd) != std::string::npos;
  return escape_untrusted((culprit.dead ? "dead; " : "") + (says_fd ? "" : fd + ": ") +
                          culprit.why);
}

/// What is known of one task.
struct Part {
  std::string where, waits_for, why;
  bool is_stuck = false, is_culprit = false, in_knot = false;
  std::vector<const ChainLink*> links;
  std::string key;  ///< equal: alike
};

/// The cycle with which a chain begins; empty if it does not close.
std::vector<TaskRef> knot_of(const Finding& finding) {
  std::vector<TaskRef> tasks;
  for (const ChainLink& link : finding.chain) {
    if (!tasks.empty() && leader_of(link.from) != leader_of(finding.chain[tasks.size() - 1].to))
      return {};
    tasks.push_back(leader_of(link.from));
    if (leader_of(link.to) == tasks.front()) return tasks;
  }
  return {};
}

class Drawing {
 public:
  explicit Drawing(const Report& report) : report_(report) {}

  void add(const Finding& finding) {
    for (const diagnosis::StuckTask& stuck : finding.stuck) {
      Part& it = part(stuck.task);
      it.is_stuck = true;
      it.waits_for = escape_untrusted(stuck.waits_for);
    }
    for (const diagnosis::Culprit& culprit : finding.culprits) {
      Part& it = part(culprit.task);
      it.is_culprit = true;
      if (it.why.empty()) it.why = why_of(culprit);
    }
    for (const ChainLink& link : finding.chain) {
      part(link.from).links.push_back(&link);
      part(link.to);
    }
    const std::vector<TaskRef> knot = knot_of(finding);
    for (std::size_t i = 0; i < knot.size(); ++i)
      part(knot[i]).in_knot = knot.size() <= kMaxKnot || i < kMaxKnot / 2;
  }

  Picture take() {
    find_keys();
    add_nodes();
    for (const TaskRef& task : order_)
      for (const ChainLink* link : parts_.at(task).links) add_link(*link);
    for (std::size_t i = 0; i < picture_.nodes.size(); ++i) add_unlinked(i);
    return std::move(picture_);
  }

 private:
  Part& part(TaskRef task) {
    task = leader_of(task);
    const auto [it, is_new] = parts_.try_emplace(task);
    if (!is_new) return it->second;
    order_.push_back(task);
    if (const Thread* thread = snapshot::find_thread(report_.snapshot, task)) {
      it->second.where = place_words(*thread);
      it->second.waits_for = escape_untrusted(diagnosis::describe_wait(report_.snapshot, task));
    }
    return it->second;
  }

  std::string key_of(TaskRef task, const Part& part) const {
    if (part.in_knot) return std::to_string(task.pid.value) + "/" + std::to_string(task.tid.value);
    const snapshot::Process* process = snapshot::find_process(report_.snapshot, task.pid);
    const bool is_leader = task.tid.value == task.pid.value;
    return (process == nullptr ? "?" : process->comm) + (is_leader ? "\n" : "\nthread\n") +
           part.where + "\n" + without_numbers(part.waits_for) + "\n" +
           (part.is_culprit ? without_numbers(part.why) : "") + (part.is_stuck ? "\nstuck" : "");
  }

  /// Of a crowd only some have a link: the others are taken to be linked as the first of them.
  void find_keys() {
    for (auto& [task, part] : parts_) part.key = key_of(task, part);
    std::map<std::string, std::string> linked;
    std::map<TaskRef, std::string> whole;
    for (const TaskRef& task : order_) {
      const Part& part = parts_.at(task);
      if (part.links.empty() || part.in_knot) continue;
      std::set<std::string> ends;
      for (const ChainLink* link : part.links)
        ends.insert(link->by + "\n" + parts_.at(leader_of(link->to)).key);
      std::string key = part.key;
      for (const std::string& end : ends) key += "\n" + end;
      linked.emplace(part.key, key);
      whole[task] = std::move(key);
    }
    for (auto& [task, part] : parts_) {
      const auto own = whole.find(task);
      const auto like = linked.find(part.key);
      if (own != whole.end())
        part.key = own->second;
      else if (like != linked.end())
        part.key = like->second;
    }
  }

  /// Processes are alike if their tasks are.
  void add_nodes() {
    std::map<Pid, std::vector<TaskRef>> tasks_of;
    std::vector<Pid> pids;
    for (const TaskRef& task : order_) {
      std::vector<TaskRef>& tasks = tasks_of[task.pid];
      if (tasks.empty()) pids.push_back(task.pid);
      tasks.push_back(task);
    }
    std::map<std::string, std::size_t> boxes;
    std::map<std::pair<std::size_t, std::string>, std::size_t> nodes;
    for (const Pid pid : pids) {
      std::set<std::string> keys;
      for (const TaskRef& task : tasks_of[pid]) keys.insert(parts_.at(task).key);
      std::string key;
      for (const std::string& one : keys) key += one + "\n\n";
      const auto [box, is_new] = boxes.try_emplace(key, picture_.boxes.size());
      if (is_new)
        picture_.boxes.push_back(
            {escape_untrusted(snapshot::label(report_.snapshot, {pid, Tid{}})), 1, {}});
      else
        ++picture_.boxes[box->second].processes;
      for (const TaskRef& task : tasks_of[pid]) {
        const Part& part = parts_.at(task);
        const auto [node, is_first] =
            nodes.try_emplace({box->second, part.key}, picture_.nodes.size());
        if (is_first && picture_.nodes.size() >= kMaxNodes && !part.in_knot) {
          node->second = rest();
        } else if (is_first) {
          const bool is_said = part.why.find(part.waits_for) != std::string::npos;
          picture_.boxes[box->second].nodes.push_back(picture_.nodes.size());
          picture_.nodes.push_back({Node::Kind::Task,
                                    escape_untrusted(snapshot::label(report_.snapshot, task)),
                                    part.where,
                                    is_said ? "" : part.waits_for,
                                    part.why,
                                    {},
                                    part.is_stuck,
                                    part.is_culprit,
                                    part.in_knot,
                                    false,
                                    box->second,
                                    name_in_list(report_.snapshot, task.tid)});
        }
        picture_.nodes[node->second].tasks.push_back(task);
        node_of_.emplace(task, node->second);
      }
    }
    std::erase_if(picture_.boxes, [](const Picture::Box& box) { return box.nodes.empty(); });
    for (std::size_t b = 0; b < picture_.boxes.size(); ++b)
      for (const std::size_t n : picture_.boxes[b].nodes) picture_.nodes[n].box = b;
    for (Picture::Box& box : picture_.boxes) {
      const Node& first = picture_.nodes[box.nodes.front()];
      if (box.processes < 2) continue;
      const snapshot::Process* process =
          snapshot::find_process(report_.snapshot, first.tasks.front().pid);
      box.label = std::to_string(box.processes) + " \u00d7 " +
                  (process == nullptr ? "process" : escape_untrusted(process->comm));
    }
    for (std::size_t n = 0; n < picture_.nodes.size(); ++n) {
      Node& node = picture_.nodes[n];
      node.label = n == rest_ ? std::to_string(node.tasks.size()) + " tasks of other kinds"
                              : node.label + and_more(node.tasks.size() - 1);
    }
  }

  /// The node of those that have no room.
  std::size_t rest() {
    if (rest_ != kNone) return rest_;
    rest_ = picture_.nodes.size();
    picture_.boxes.push_back({"others", 0, {rest_}});
    Node node;
    node.is_stuck = true;
    picture_.nodes.push_back(std::move(node));
    return rest_;
  }

  /// Of a crowd each may wait for its own.
  std::size_t object(std::size_t from, const Awaited& awaited) {
    const std::vector<TaskRef>& tasks = picture_.nodes[from].tasks;
    Awaited one = awaited;
    const bool is_shared = std::ranges::all_of(tasks, [&](const TaskRef& task) {
      return awaited_by(report_.snapshot, task).key == awaited.key;
    });
    if (!is_shared)
      one = {"crowd " + std::to_string(from), awaited.name + " and the like, each its own", ""};
    const auto [it, is_new] = objects_.try_emplace(one.key, picture_.nodes.size());
    if (is_new) {
      Node node;
      node.kind = Node::Kind::Object;
      node.label = escape_untrusted(one.name);
      node.where = one.fill;
      picture_.nodes.push_back(std::move(node));
    }
    return it->second;
  }

  /// What stands between, asked once a node.
  std::pair<std::size_t, std::string> between(std::size_t from, TaskRef task) {
    const auto known = between_.find(from);
    if (known != between_.end()) return known->second;
    std::pair<std::size_t, std::string> way{kNone, parts_.at(leader_of(task)).waits_for};
    const Awaited awaited = awaited_by(report_.snapshot, task);
    if (!awaited.name.empty()) {
      way.first = object(from, awaited);
      way.second =
          escape_untrusted(what_of(diagnosis::describe_wait(report_.snapshot, task), awaited.name));
    }
    return between_[from] = way;
  }

  void arrow(std::size_t from, std::size_t to, const std::string& label,
             const std::string& evidence, bool in_knot) {
    const auto [it, is_new] = drawn_.try_emplace({from, to}, picture_.arrows.size());
    if (is_new) picture_.arrows.push_back({from, to, label, evidence, in_knot});
    if (in_knot) picture_.arrows[it->second].in_knot = true;
  }

  void add_link(const ChainLink& link) {
    const TaskRef task = leader_of(link.from);
    const std::size_t from = node_of_.at(task), to = node_of_.at(leader_of(link.to));
    if (from == rest_) return;
    const bool in_knot = picture_.nodes[from].in_knot && picture_.nodes[to].in_knot;
    const std::string evidence = escape_untrusted(link.evidence);
    const auto [object, words] = between(from, task);
    if (object == kNone) return arrow(from, to, words, evidence, in_knot);
    if (in_knot) picture_.nodes[object].in_knot = true;
    arrow(from, object, words, "", in_knot);
    const std::string role = escape_untrusted(role_of(link));
    arrow(object, to, role, role == evidence ? "" : evidence, in_knot);
  }

  /// A chain is cut where it gets long: the graph tells what is missing.
  void add_unlinked(std::size_t n) {
    const Node& node = picture_.nodes[n];
    if (node.kind != Node::Kind::Task || !node.is_stuck || n == rest_ || between_.contains(n))
      return;
    const TaskRef task = node.tasks.front();
    const std::vector<graph::Waker> wakers = report_.graph.wakers(task);
    const graph::Waker* best = nullptr;
    for (const graph::Waker& waker : wakers) {
      const auto drawn = node_of_.find(leader_of(waker.task));
      if (drawn == node_of_.end()) continue;
      const bool is_better =
          best == nullptr || (picture_.nodes[drawn->second].in_knot &&
                              !picture_.nodes[node_of_.at(leader_of(best->task))].in_knot);
      if (is_better) best = &waker;
    }
    if (best != nullptr) return add_link({task, best->task, best->by, best->evidence});
    const auto [object, words] = between(n, task);
    if (object == kNone) return;
    arrow(n, object, words, "", false);
    if (!wakers.empty()) picture_.nodes[object].is_up_to_others = true;
  }

  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);

  const Report& report_;
  Picture picture_;
  std::vector<TaskRef> order_;
  std::map<TaskRef, Part> parts_;
  std::map<TaskRef, std::size_t> node_of_;
  std::map<std::string, std::size_t> objects_;
  std::map<std::size_t, std::pair<std::size_t, std::string>> between_;
  std::map<std::pair<std::size_t, std::size_t>, std::size_t> drawn_;
  std::size_t rest_ = kNone;
};

}  // namespace

Picture draw(const Report& report, std::span<const Finding> findings) {
  Drawing drawing(report);
  for (const Finding& finding : findings) drawing.add(finding);
  return drawing.take();
}

}  // namespace ipcdoctor::report
