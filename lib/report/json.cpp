#include <map>
#include <nlohmann/json.hpp>
#include <ostream>
#include <ranges>
#include <set>
#include <type_traits>
#include <utility>

#include "base/text.h"
#include "diagnosis/repairs.h"
#include "report/crowd.h"
#include "report/ranks.h"
#include "report/report.h"
#include "report/words.h"

namespace ipcdoctor::report {
namespace {

using nlohmann::json;
using snapshot::ObjectId;
using snapshot::Process;
using snapshot::Snapshot;
using snapshot::TaskRef;
using snapshot::Thread;

std::string safe(std::string_view text) {
  return escape_untrusted(text);
}

json lines(const std::vector<std::string>& texts) {
  json out = json::array();
  for (const std::string& text : texts) out.push_back(safe(text));
  return out;
}

/// A text of ours may have several lines; each is made safe by itself.
std::string safe_lines(std::string_view text) {
  std::string out;
  while (true) {
    const auto end = text.find('\n');
    out += safe(text.substr(0, end));
    if (end == std::string_view::npos) return out;
    out += '\n';
    text.remove_prefix(end + 1);
  }
}

/// Beside a pid of a joined snapshot stands its host.
json with_host(const Snapshot& snapshot, Pid pid, json entry) {
  if (const snapshot::Host* host = snapshot::host_of(snapshot, pid.value))
    entry["host"] = safe(host->name);
  return entry;
}

json task_json(const Snapshot& snapshot, TaskRef task) {
  return with_host(snapshot, task.pid,
                   {{"pid", snapshot::local_number(snapshot, task.pid.value)},
                    {"tid", snapshot::local_number(snapshot, task.tid.value)}});
}

json or_null(const std::string& text) {
  return text.empty() ? json() : json(safe(text));
}

constexpr std::size_t kMaxEvents = 64;  // of one repair; a crowd's are alike

json repairs_json(const Snapshot& snapshot, const diagnosis::Finding& finding) {
  json repairs = json::array();
  for (const diagnosis::Repair& repair : finding.repairs) {
    json events = json::array();
    for (const graph::Event& event : repair.events | std::views::take(kMaxEvents)) {
      json entry = task_json(snapshot, event.task);
      entry["action"] = diagnosis::action_of(snapshot, event);
      if (event.fd >= 0) entry["fd"] = event.fd;
      events.push_back(std::move(entry));
    }
    json out = {{"what", safe(repair.what)},
                {"events", std::move(events)},
                {"frees", repair.frees.size()},
                {"of", repair.of}};
    if (!repair.frees_all())
      for (const TaskRef& task : repair.frees) out["freed"].push_back(task_json(snapshot, task));
    repairs.push_back(std::move(out));
  }
  return repairs;
}

/// All that is said of something but its number, to find what is alike without writing it first.
class Key {
 public:
  Key& operator<<(std::string_view text) {
    *this << text.size();
    key_ += text;
    return *this;
  }
  template <class Number>
  requires std::is_arithmetic_v<Number> || std::is_enum_v<Number> Key& operator<<(Number number) {
    key_.append(reinterpret_cast<const char*>(&number), sizeof number);
    return *this;
  }
  Key& operator<<(const Result<std::vector<snapshot::Frame>>& frames) {
    *this << (frames ? frames->size() : 0);
    if (!frames) return *this;
    for (const snapshot::Frame& f : *frames)
      *this << f.kind << f.function << f.file << f.user_code << f.line << f.module << f.offset
            << f.guessed;
    return *this;
  }
  std::string take() { return std::move(key_); }

 private:
  std::string key_;
};

/// Of a crowd that differs in its numbers alone the first, with the numbers of the others.
/// @param keys    of each entry
/// @param build   the entry of an index
/// @param number  what stands for it in the list of those that are alike
template <class Build, class Number>
json folded(const std::vector<std::string>& keys, std::size_t most, Build build, Number number) {
  json out = json::array();
  std::map<std::string_view, std::size_t> shown;
  const std::vector<Line> lines = crowds_folded(keys, most);
  for (const Line& line : lines) {
    if (line.more > 0) shown.emplace(keys[line.index], out.size());
    out.push_back(build(line.index));
  }
  auto next = lines.begin();
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const bool is_shown = next != lines.end() && next->index == i;
    if (is_shown)
      ++next;
    else
      out[shown.at(keys[i])]["alike"].push_back(number(i));
  }
  return out;
}

constexpr std::size_t kMostAlike = 32;
/// Readers look for their task among the stuck and the holders: there only a mass is folded.
constexpr std::size_t kMostListed = 1000;

json stuck_json(const Snapshot& snapshot, const std::vector<diagnosis::StuckTask>& tasks) {
  std::vector<std::string> keys;
  for (const diagnosis::StuckTask& s : tasks)
    keys.push_back((Key() << s.where << s.function << s.waits_for).take());
  return folded(
      keys, kMostListed,
      [&](std::size_t i) {
        json entry = task_json(snapshot, tasks[i].task);
        entry["where"] = or_null(tasks[i].where);
        entry["function"] = or_null(tasks[i].function);
        entry["waits_for"] = safe(tasks[i].waits_for);
        return entry;
      },
      [&](std::size_t i) { return task_json(snapshot, tasks[i].task); });
}

json finding_json(const Snapshot& snapshot, const diagnosis::Finding& finding) {
  json stuck = stuck_json(snapshot, finding.stuck);
  json culprits = json::array();
  for (const diagnosis::Culprit& c : finding.culprits) {
    json entry = task_json(snapshot, c.task);
    entry.update(
        {{"where", or_null(c.where)}, {"function", or_null(c.function)}, {"why", safe(c.why)}});
    if (c.fd >= 0) entry["fd"] = c.fd;
    if (c.dead) entry["state"] = "dead";
    culprits.push_back(std::move(entry));
  }
  json chain = json::array();
  for (const diagnosis::ChainLink& link : finding.chain) {
    chain.push_back({{"from", task_json(snapshot, link.from)},
                     {"to", task_json(snapshot, link.to)},
                     {"by", safe(link.by)},
                     {"evidence", safe(link.evidence)}});
  }
  json evidence = json::array();
  for (const diagnosis::Evidence& e : finding.evidence) {
    evidence.push_back({{"fact", safe(e.fact)}, {"source", safe(e.source)}});
  }
  json out = {{"code", safe(finding.code)},
              {"class", safe(finding.slug)},
              {"also", lines(finding.also)},
              {"verdict", to_string(finding.verdict)},
              {"grade", or_null(to_string(finding.grade))},
              {"assumptions", lines(finding.assumptions)},
              {"title", safe(finding.title)},
              {"explanation", safe_lines(finding.explanation)},
              {"fix", safe_lines(finding.fix)},
              {"stuck", std::move(stuck)},
              {"culprits", std::move(culprits)},
              {"chain", std::move(chain)},
              {"evidence", std::move(evidence)},
              {"repairs", repairs_json(snapshot, finding)}};
  if (!finding.unless.empty()) out["unless"] = lines(finding.unless);
  return out;
}

json frames_json(const Result<std::vector<snapshot::Frame>>& frames) {
  json out = json::array();
  if (!frames) return out;
  for (const snapshot::Frame& f : *frames) {
    json frame = {{"kind", word_for(f.kind)},
                  {"function", or_null(f.function)},
                  {"file", or_null(f.file)},
                  {"user_code", f.user_code}};
    if (f.line > 0) frame["line"] = f.line;
    if (!f.module.empty()) frame.update({{"module", safe(f.module)}, {"offset", f.offset}});
    if (f.guessed) frame["guessed"] = true;
    out.push_back(std::move(frame));
  }
  return out;
}

json stacks_of(const Snapshot& snapshot, const Thread& thread) {
  return {{"tid", snapshot::local_number(snapshot, thread.tid.value)},
          {"comm", safe(thread.comm)},
          {"name", or_null(thread.name)},
          {"state", safe(std::string(1, thread.state))},
          {"python", frames_json(thread.interpreted)},
          {"native", frames_json(thread.native)}};
}

void add_stacks(Key& key, const Thread& thread) {
  key << thread.comm << thread.name << thread.state << thread.interpreted << thread.native;
}

json thread_json(const Report& report, const Thread& thread, TaskRef task) {
  json out = stacks_of(report.snapshot, thread);
  out.update({{"liveness", word_for(report.graph.level(task))}, {"wait", nullptr}});
  if (thread.wait) {
    const snapshot::Wait& wait = *thread.wait;
    out["wait"] = {{"kind", word_for(wait.kind)},
                   {"call", safe(wait.call)},
                   {"detail", safe(wait.detail)},
                   {"untimed", wait.untimed}};
  }
  if (!thread.activity.call.empty()) out["activity"] = safe(thread.activity.call);
  return out;
}

void add_thread(Key& key, const Report& report, const Thread& thread, TaskRef task) {
  add_stacks(key, thread);
  key << report.graph.level(task) << thread.activity.call << thread.wait.has_value();
  if (!thread.wait) return;
  const snapshot::Wait& wait = *thread.wait;
  key << wait.kind << wait.call << wait.detail << wait.untimed;
}

/// What is said of each thread, by its two halves.
template <class Describe, class Distinguish>
struct ThreadWords {
  Describe describe;        ///< as JSON, of a process and a thread
  Distinguish distinguish;  ///< the same into a Key, but for the number
};
template <class Describe, class Distinguish>
ThreadWords(Describe, Distinguish) -> ThreadWords<Describe, Distinguish>;  // clang 16 needs it told

template <class Words>
json process_json(const Snapshot& snapshot, const Process& process, const Words& words) {
  std::vector<std::string> keys;
  for (const Thread& thread : process.threads) {
    Key key;
    if (process.threads.size() > 1) words.distinguish(key, process, thread);
    keys.push_back(key.take());
  }
  json threads = folded(
      keys, kMostAlike, [&](std::size_t i) { return words.describe(process, process.threads[i]); },
      [&](std::size_t i) {
        return snapshot::local_number(snapshot, process.threads[i].tid.value);
      });
  json out = {{"pid", snapshot::local_number(snapshot, process.pid.value)},
              {"ppid", snapshot::local_number(snapshot, process.ppid.value)},
              {"comm", safe(process.comm)},
              {"args", lines(process.args)},
              {"exe", or_null(process.exe)},
              {"uid", process.uid},
              {"state", safe(std::string(1, process.state))},
              {"scope", word_for(process.scope)},
              {"dead", process.dead || process.exited},
              {"python", or_null(process.interpreter.version)},
              {"threads", std::move(threads)}};
  if (process.rank.number >= 0) out["rank"] = process.rank.number;
  return with_host(snapshot, process.pid, std::move(out));
}

/// Those with one thread that are alike are told once.
template <class Words>
json processes_json(const Snapshot& snapshot, const Words& words) {
  const std::vector<const Process*> processes = examined(snapshot);
  std::vector<std::string> keys;
  for (const Process* process : processes) {
    Key key;
    if (process->threads.size() != 1) {
      keys.push_back((key << process->pid.value).take());
      continue;
    }
    const snapshot::Host* host = snapshot::host_of(snapshot, process->pid.value);
    key << (host == nullptr ? std::string_view() : host->name) << process->ppid.value
        << process->comm << process->args.size();
    for (const std::string& arg : process->args) key << arg;
    key << process->exe << process->uid << process->state << process->scope
        << (process->dead || process->exited) << process->interpreter.version
        << process->rank.number;
    words.distinguish(key, *process, process->threads[0]);
    keys.push_back(key.take());
  }
  return folded(
      keys, kMostAlike, [&](std::size_t i) { return process_json(snapshot, *processes[i], words); },
      [&](std::size_t i) { return snapshot::local_number(snapshot, processes[i]->pid.value); });
}

struct Holding {
  Pid pid;
  const snapshot::Fd* fd = nullptr;
};

json holders_json(const Snapshot& snapshot, const std::vector<Holding>& holders) {
  std::vector<std::string> keys;
  for (const Holding& h : holders) keys.push_back((Key() << h.fd->fd << h.fd->access).take());
  const auto build = [&](std::size_t i) {
    return with_host(snapshot, holders[i].pid,
                     {{"pid", snapshot::local_number(snapshot, holders[i].pid.value)},
                      {"fd", holders[i].fd->fd},
                      {"access", word_for(holders[i].fd->access)}});
  };
  if (!snapshot.hosts.empty()) {  // a number alone would not say whose it is
    json out = json::array();
    for (std::size_t i = 0; i < holders.size(); ++i) out.push_back(build(i));
    return out;
  }
  return folded(keys, kMostListed, build, [&](std::size_t i) { return holders[i].pid.value; });
}

/// What the examined threads wait for, and who holds it.
json resources_json(const Snapshot& snapshot) {
  std::set<ObjectId> awaited;
  for (const Process* process : examined(snapshot)) {
    for (const Thread& thread : process->threads) {
      if (!thread.wait) continue;
      for (const snapshot::Awaited& a : thread.wait->objects) awaited.insert(a.object);
    }
  }
  awaited.erase(ObjectId{});
  std::map<ObjectId, std::vector<Holding>> holders;
  for (const Process& process : snapshot.processes) {
    if (!process.fds) continue;
    for (const snapshot::Fd& fd : *process.fds)
      if (awaited.contains(fd.object)) holders[fd.object].push_back({process.pid, &fd});
  }
  json out = json::array();
  for (const ObjectId& id : awaited) {
    const snapshot::Object* object = snapshot::find_object(snapshot, id);
    json entry = {
        {"kind", name_of(id.kind)},
        {"name", object == nullptr ? name_of(id.kind) + ":[" + std::to_string(id.ino) + "]"
                                   : safe(object->name)},
        {"queued", nullptr},
        {"capacity", nullptr},
        {"holders", holders_json(snapshot, holders[id])}};
    if (object != nullptr && object->queued) entry["queued"] = *object->queued;
    if (object != nullptr && object->capacity) entry["capacity"] = *object->capacity;
    out.push_back(std::move(entry));
  }
  return out;
}

json unseen_json(const Snapshot& snapshot) {
  json out = json::array();
  for (const snapshot::Unseen& unseen : snapshot.unseen) {
    json entry = task_json(snapshot, {unseen.pid, unseen.tid});
    entry.update(
        {{"what", safe(to_string(unseen.error))}, {"cause", word_for(unseen.error.cause)}});
    out.push_back(std::move(entry));
  }
  return out;
}

json unseen_json(const Report& report) {
  json out = unseen_json(report.snapshot);
  for (const Error& error : report.diagnosis.inconclusive) {
    json entry = task_json(report.snapshot, {});
    entry.update({{"what", safe(to_string(error))}, {"cause", word_for(error.cause)}});
    out.push_back(std::move(entry));
  }
  return out;
}

/// Ranks that do the same; those that nobody looked at do not say what.
json ranks_json(const RollCall& call, const RankGroup& group) {
  return {{"ranks", group.ranks},
          {"of", call.size},
          {"where", or_null(group.where)},
          {"state", or_null(group.state)}};
}

json pids_of(const Snapshot& snapshot) {
  json pids = json::array();
  for (const Pid pid : snapshot.targets)
    pids.push_back(snapshot::local_number(snapshot, pid.value));
  return pids;
}

void print(std::ostream& out, const json& document) {
  out << document.dump(1, ' ', true, json::error_handler_t::replace) << '\n';
}

}  // namespace

void write_stacks_json(std::ostream& out, const Snapshot& snapshot, const std::string& version) {
  const ThreadWords words{[&](const Process&, const Thread& thread) {
                            json described = stacks_of(snapshot, thread);
                            described["call"] = thread.wait ? json(state_words(thread)) : json();
                            described["moved"] = !thread.stable;
                            return described;
                          },
                          [](Key& key, const Process&, const Thread& thread) {
                            add_stacks(key, thread);
                            key << thread.wait.has_value() << state_words(thread) << thread.stable;
                          }};
  print(out, {{"schema", "ipcdoctor/stacks/1"},
              {"processes", processes_json(snapshot, words)},
              {"unseen", unseen_json(snapshot)},
              {"tool",
               {{"name", "ipcdoctor"}, {"version", version}, {"elapsed_ms", snapshot.elapsed_ms}}},
              {"target", {{"pids", pids_of(snapshot)}, {"time", snapshot.time}}}});
}

void write_json(std::ostream& out, const Report& report) {
  const Snapshot& snapshot = report.snapshot;
  json findings = json::array();
  for (const diagnosis::Finding& finding : report.diagnosis.findings)
    findings.push_back(finding_json(snapshot, finding));
  const ThreadWords words{[&](const Process& process, const Thread& thread) {
                            return thread_json(report, thread, {process.pid, thread.tid});
                          },
                          [&](Key& key, const Process& process, const Thread& thread) {
                            add_thread(key, report, thread, {process.pid, thread.tid});
                          }};
  json document = {{"schema", "ipcdoctor/report/1"},
                   {"verdict", to_string(report.diagnosis.verdict)},
                   {"findings", std::move(findings)},
                   {"processes", processes_json(snapshot, words)},
                   {"resources", resources_json(snapshot)},
                   {"unseen", unseen_json(report)},
                   {"tool",
                    {{"name", "ipcdoctor"},
                     {"version", report.version},
                     {"elapsed_ms", snapshot.elapsed_ms},
                     {"observed_ms", snapshot.observed_ms},
                     {"stopped_threads", snapshot.stopped_threads}}},
                   {"host", {{"name", safe(snapshot.host)}, {"kernel", safe(snapshot.kernel)}}},
                   {"target",
                    {{"pids", pids_of(snapshot)},
                     {"time", snapshot.time},
                     {"all_holders_seen", snapshot.all_holders_seen}}}};
  for (const RollCall& call : roll_calls(snapshot))
    for (const RankGroup& group : call.groups) document["ranks"].push_back(ranks_json(call, group));
  for (const snapshot::Host& host : snapshot.hosts)
    document["hosts"].push_back({{"name", safe(host.name)}, {"rounds", host.rounds}});
  print(out, document);
}

}  // namespace ipcdoctor::report
