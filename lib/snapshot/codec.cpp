#include "snapshot/codec.h"

#include <algorithm>
#include <istream>
#include <nlohmann/json.hpp>
#include <ostream>

namespace nlohmann {

template <class Tag, class Rep>
struct adl_serializer<ipcdoctor::Id<Tag, Rep>> {
  static void to_json(json& j, const ipcdoctor::Id<Tag, Rep>& id) { j = id.value; }
  static void from_json(const json& j, ipcdoctor::Id<Tag, Rep>& id) { j.get_to(id.value); }
};

/// {"value": T} or {"error": {...}}; nothing at all stands for "not read".
template <class T>
struct adl_serializer<ipcdoctor::Result<T>> {
  static void to_json(json& j, const ipcdoctor::Result<T>& result) {
    if (result) {
      j = json{{"value", *result}};
    } else {
      j = json{
          {"error",
           {static_cast<int>(result.error().cause), result.error().number, result.error().what}}};
    }
  }
  static ipcdoctor::Cause cause_from(const json& j) {
    const int number = j.get<int>();
    const bool known = number >= 0 && number <= static_cast<int>(ipcdoctor::Cause::Other);
    return known ? static_cast<ipcdoctor::Cause>(number) : ipcdoctor::Cause::Other;
  }
  static void from_json(const json& j, ipcdoctor::Result<T>& result) {
    if (const auto value = j.find("value"); value != j.end()) {
      result = value->get<T>();
    } else {
      const json& error = j.at("error");
      result = ipcdoctor::Error{cause_from(error.at(0)), error.at(1).get<int>(),
                                error.at(2).get<std::string>()};
    }
  }
};

}  // namespace nlohmann

namespace ipcdoctor {

static void to_json(nlohmann::json& j, const Error& e) {
  j = {static_cast<int>(e.cause), e.number, e.what};
}
static void from_json(const nlohmann::json& j, Error& e) {
  const int number = j.at(0).get<int>();
  const bool known = number >= 0 && number <= static_cast<int>(Cause::Other);
  e = Error{known ? static_cast<Cause>(number) : Cause::Other, j.at(1).get<int>(),
            j.at(2).get<std::string>()};
}

namespace snapshot {

// Found by argument-dependent lookup, so they stand in the namespace of their types.
static constexpr const char* kSchema = "ipcdoctor/snapshot/1";

using nlohmann::json;

/// A file may hold any number where we write that of an enumerator.
template <class Enum>
static void read_enum(const json& j, Enum& value, Enum last) {
  const int number = j.get<int>();
  if (number < 0 || number > static_cast<int>(last))
    throw json::out_of_range::create(401, "no such enumerator", &j);
  value = static_cast<Enum>(number);
}
static void from_json(const json& j, ObjectKind& kind) {
  read_enum(j, kind, ObjectKind::OtherAnon);
}
static void from_json(const json& j, Access& access) {
  read_enum(j, access, Access::Both);
}
static void from_json(const json& j, WaitKind& kind) {
  read_enum(j, kind, WaitKind::Unknown);
}
static void from_json(const json& j, LockKind& kind) {
  read_enum(j, kind, LockKind::PyParked);
}
static void from_json(const json& j, Ownership& ownership) {
  read_enum(j, ownership, Ownership::LeftInParent);
}
static void from_json(const json& j, FrameKind& kind) {
  read_enum(j, kind, FrameKind::Python);
}
static void from_json(const json& j, Scope& scope) {
  read_enum(j, scope, Scope::Self);
}

static void to_json(json& j, const ObjectId& id) {
  j = {static_cast<int>(id.kind), id.dev, id.ino};
}
static void from_json(const json& j, ObjectId& id) {
  id = ObjectId{j.at(0).get<ObjectKind>(), j.at(1).get<std::uint64_t>(),
                j.at(2).get<std::uint64_t>()};
}
static void to_json(json& j, const Fd& f) {
  j = {f.fd, f.object, static_cast<int>(f.access)};
}
static void from_json(const json& j, Fd& f) {
  f = Fd{j.at(0).get<int>(), j.at(1).get<ObjectId>(), j.at(2).get<Access>()};
}

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(TaskRef, pid, tid)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Watched, fd, object, events)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Socket, family, type, state, peer, listener,
                                                peer_in_backlog, peer_is_remote, shut_read,
                                                shut_write, peer_closed, receive_queue, send_queue,
                                                kernel_timer, fds_in_flight, local, remote)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Object, id, name, socket, queued, capacity, watched,
                                                armed, has_name, kernel_user, in_flight, registered,
                                                pending)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Awaited, fd, object, in, out)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Lock, kind, name, address, ownership, owners,
                                                checked, likely_owners, dead_owner, numbers,
                                                evidence)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(PageId, dev, ino, offset)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(FutexWait, address, shared_memory, page, expected,
                                                word, lock)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(FileLockWait, file, type, exclusive, start, end)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(SysvWait, id, ops)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Wait, kind, call, untimed, objects, children,
                                                any_child, futex, file_lock, sysv, size, detail,
                                                wchan)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Frame, kind, pc, module, offset, function, file,
                                                line, user_code, guessed)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(RuntimeObject, type, name, address, numbers, texts,
                                                objects)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Activity, call, object)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(SignalSets, pending, shared_pending, blocked,
                                                ignored, caught)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Thread, tid, comm, name, state, stable, switches,
                                                wait, signals, own_fds, native, python, activity,
                                                is_python, polls, held_locks)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(PythonInfo, version, objects)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Process, pid, ppid, pgid, sid, start_ticks, scope,
                                                comm, args, exe, uid, state, dead, wait_status,
                                                exited, ns_pid, pid_ns, net_ns, mount_ns, mm_group,
                                                fd_group, tracer, forked_copy, inits_pid_ns,
                                                alarm_possible, timer_possible, async_io, fds,
                                                threads, python)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(FileLock, file, type, exclusive, start, end, taker,
                                                holders)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(SharedArea, dev, ino, path, has_name, mappers)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(SysvObject, type, id, key, values, last_pids,
                                                attached)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Unseen, pid, tid, error)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Snapshot, tool_version, host, kernel, time, targets,
                                                processes, objects, file_locks, shared_areas, sysv,
                                                unseen, all_holders_seen, in_init_pid_ns,
                                                unknown_fds_in_flight, stopped_threads, elapsed_ms,
                                                observed_ms)

std::string encode(const Snapshot& snapshot) {
  std::string bytes;
  json::to_cbor(json(snapshot), bytes);
  return bytes;
}

Result<Snapshot> decode(std::string_view bytes) try {
  return json::from_cbor(bytes).get<Snapshot>();
} catch (const json::exception& failure) {
  return Error{Cause::Malformed, 0, std::string("decode a snapshot: ") + failure.what()};
}

void save(std::ostream& out, const Snapshot& snapshot) {
  json file = {{"schema", kSchema}, {"snapshot", snapshot}};
  out << file.dump(-1, ' ', true, json::error_handler_t::replace) << '\n';
}

/// find_process() and its kin search; a file may have been edited.
static void sort_all(Snapshot& snapshot) {
  std::ranges::stable_sort(snapshot.processes, {}, &Process::pid);
  std::ranges::stable_sort(snapshot.objects, {}, &Object::id);
  for (Process& process : snapshot.processes)
    std::ranges::stable_sort(process.threads, {}, &Thread::tid);
}

Result<Snapshot> load(std::istream& in) try {
  const json file = json::parse(in);
  const auto schema = file.find("schema");
  if (schema == file.end() || !schema->is_string())
    return Error{Cause::Malformed, 0, "not an ipcdoctor snapshot"};
  if (*schema != kSchema) {
    return Error{Cause::Unsupported, 0,
                 "a snapshot of format " + schema->get<std::string>() + ", not " + kSchema};
  }
  Snapshot snapshot = file.at("snapshot").get<Snapshot>();
  sort_all(snapshot);
  return snapshot;
} catch (const json::exception& failure) {
  return Error{Cause::Malformed, 0, "not an ipcdoctor snapshot"};
}

}  // namespace snapshot
}  // namespace ipcdoctor
