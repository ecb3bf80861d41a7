#include "collect/objects.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cstddef>

#include "base/text.h"
#include "collect/tables.h"
#include "linux/deputy.h"
#include "linux/fd_table.h"
#include "linux/fdinfo.h"
#include "linux/kcmp.h"
#include "linux/pidfd.h"

namespace ipcdoctor::collect {
namespace {

using snapshot::Access;
using snapshot::Awaited;
using snapshot::Fd;
using snapshot::Object;
using snapshot::ObjectId;
using snapshot::ObjectKind;
using snapshot::WaitKind;

constexpr std::size_t kMaxObjects = 100000;

bool is_socket(ObjectKind kind) {
  return kind == ObjectKind::UnixSocket || kind == ObjectKind::InetSocket ||
         kind == ObjectKind::OtherSocket;
}

bool needs_identity(ObjectKind kind) {
  switch (kind) {
    case ObjectKind::OtherSocket:
    case ObjectKind::EventFd:
    case ObjectKind::Epoll:
    case ObjectKind::TimerFd:
    case ObjectKind::SignalFd:
    case ObjectKind::Inotify:
    case ObjectKind::Fanotify:
    case ObjectKind::PidFd:
    case ObjectKind::IoUring:
    case ObjectKind::UserFault:
    case ObjectKind::SeccompNotify:
      return true;
    default:
      return false;
  }
}

/// The world outside can always end a wait on it, so that nobody who holds it need be looked into.
bool is_outside(ObjectKind kind) {
  switch (kind) {
    case ObjectKind::Unknown:
    case ObjectKind::Terminal:
    case ObjectKind::Device:
    case ObjectKind::Inotify:
    case ObjectKind::SignalFd:
    case ObjectKind::Directory:
    case ObjectKind::OtherAnon:
    case ObjectKind::File:
      return true;
    default:
      return false;
  }
}

Access operator|(Access a, Access b) {
  const auto bits = [](Access access) {
    return access == Access::None    ? 0
           : access == Access::Read  ? 1
           : access == Access::Write ? 2
                                     : 3;
  };
  static constexpr std::array kByBits = {Access::None, Access::Read, Access::Write, Access::Both};
  return kByBits[static_cast<std::size_t>(bits(a) | bits(b))];
}

/// Which descriptors of the object could end the wait.
Access waking_access(const Awaited& awaited) {
  if (awaited.object.kind != ObjectKind::Pipe && awaited.object.kind != ObjectKind::Fifo)
    return Access::Both;
  if (awaited.in && awaited.out) return Access::Both;
  return awaited.in ? Access::Write : Access::Read;
}

Result<linux::FdInfo> fdinfo_of(System& system, const ProcessEntry& process, Tid tid, int fd) {
  const Risk risk(system.progress(), process.pid, Fact::FdInfo, fd);
  if (!risk.allowed())
    return Error{Cause::TimedOut, 0, to_string(Mark{process.pid.value, fd, Fact::FdInfo})};
  const std::string base =
      tid.value == 0 ? "fdinfo/" : "task/" + std::to_string(tid.value) + "/fdinfo/";
  const auto text = process.dir->read(base + std::to_string(fd), 64 << 20);
  return text ? linux::parse_fdinfo(*text) : Result<linux::FdInfo>(text.error());
}

}  // namespace

bool is_plainly_live(const snapshot::Wait& wait) {
  switch (wait.kind) {
    case WaitKind::Running:
    case WaitKind::Sleep:
    case WaitKind::Unknown:
      return true;
    case WaitKind::Read:
    case WaitKind::Write:
    case WaitKind::Poll:
      return !wait.untimed || std::ranges::any_of(wait.objects, [](const Awaited& a) {
        return is_outside(a.object.kind);
      });
    default:
      return !wait.untimed && wait.kind != WaitKind::Stopped && wait.kind != WaitKind::Traced;
  }
}

bool Objects::is_contested(const Fd& fd) const {
  const auto it = contested_.find(fd.object);
  if (it == contested_.end() || it->second == Access::None) return false;
  if (it->second == Access::Both || fd.access == Access::Both) return true;
  return it->second == fd.access;
}

void Objects::identify(ObjectKind kind) {
  if (!needs_identity(kind) || !identified_.insert(kind).second) return;
  if (kind != ObjectKind::OtherSocket) {
    identify_objects(system_, kind);
    return;
  }
  sockets_.read(system_, Sockets::Families::Unix);
  name_sockets();
}

void Objects::identify_sockets() {
  const auto holds_some = [&] {
    bool found = false;
    for_each_table(system_, [&](ProcessEntry& process, Tid, std::vector<Fd>& fds) {
      found = found || (process.examined && std::ranges::any_of(fds, [](const Fd& fd) {
                          return fd.object.kind == ObjectKind::OtherSocket;
                        }));
    });
    return found;
  };
  if (sockets_.is_read_with_inet()) return;
  if (holds_some()) identify(ObjectKind::OtherSocket);
  if (!sockets_.keeps_networks() && !holds_some()) return;
  sockets_.read(system_, Sockets::Families::All);
  name_sockets();
}

/// OtherSocket becomes UnixSocket or InetSocket.
void Objects::name_sockets() {
  for_each_table(system_, [&](ProcessEntry&, Tid, std::vector<Fd>& fds) {
    for (Fd& fd : fds) {
      if (fd.object.kind == ObjectKind::OtherSocket) fd.object = sockets_.id_of(fd.object.ino);
    }
  });
}

/// Ids become final only after their kind was identified: looks them up again by descriptor.
void Objects::refresh(ProcessEntry& process, ThreadEntry& thread, snapshot::Wait& wait) {
  const auto* table = System::table_of(process, thread.tid);
  if (table == nullptr) return;
  for (Awaited& awaited : wait.objects) {
    const auto it = std::ranges::lower_bound(*table, awaited.fd, {}, &Fd::fd);
    if (it != table->end() && it->fd == awaited.fd) awaited.object = it->object;
  }
}

namespace {

/// Who of those that the tree waits for lives anyway needs nobody.
bool matters(const ProcessEntry& process, const snapshot::Wait& wait) {
  return process.scope != snapshot::Scope::Holder || !is_plainly_live(wait);
}

}  // namespace

void Objects::add_objects_of(snapshot::Wait& wait, ProcessEntry& process, ThreadEntry& thread) {
  for (const Awaited& awaited : wait.objects) identify(awaited.object.kind);
  refresh(process, thread, wait);
  const auto* table = System::table_of(process, thread.tid);
  const bool own_table = table != nullptr && process.fds && table != &*process.fds;
  for (const Awaited& awaited : wait.objects) {
    add(awaited.object, {&process, own_table ? thread.tid : Tid{}, awaited.fd},
        matters(process, wait) ? waking_access(awaited) : Access::None);
  }
}

void Objects::add_waits(ProcessEntry& process) {
  for (ThreadEntry& thread : process.threads) {
    if (!thread.out.wait) continue;
    add_objects_of(*thread.out.wait, process, thread);
    for (snapshot::Wait& question : thread.out.asks) add_objects_of(question, process, thread);
    const snapshot::Wait& wait = *thread.out.wait;
    if (wait.kind == WaitKind::FileLock) {
      add(wait.file_lock.file, {&process, Tid{}, -1}, Access::None);
      if (matters(process, wait)) contested_[wait.file_lock.file] = Access::Both;
    }
    if (wait.kind == WaitKind::Connect || wait.kind == WaitKind::Write)
      add_addressed_peer(process, thread);
  }
}

void Objects::add_connections(ProcessEntry& process) {
  const auto add_table = [&](Tid tid, const std::vector<Fd>& table) {
    identify(ObjectKind::OtherSocket);
    for (const Fd& fd : table) {
      if (fd.object.kind != ObjectKind::InetSocket) continue;
      const auto socket = sockets_.describe(fd.object.ino);
      if (socket && socket->type == "stream" && !socket->remote.empty())
        add(fd.object, {&process, tid, fd.fd}, Access::Both);
    }
  };
  if (process.fds) add_table(Tid{}, *process.fds);
  for (const auto& [tid, table] : process.thread_fds) add_table(tid, table);
}

void Objects::add(const ObjectId& id, const Place& place, Access contested) {
  if (id.kind == ObjectKind::Unknown || objects_.size() >= kMaxObjects) return;
  if (is_outside(id.kind)) contested = Access::None;
  Access& access = contested_[id];
  const bool more = (access | contested) != access;
  access = access | contested;
  const auto [it, is_new] = objects_.try_emplace(id);
  if (!is_new && !more) return;
  it->second.id = id;
  if (is_socket(id.kind)) add_socket(it->second, contested);
  if (id.kind == ObjectKind::Epoll) add_epoll_members(id, place, contested);
  if (id.kind == ObjectKind::Terminal) add({ObjectKind::TerminalMaster, id.dev, 0}, {}, contested);
  if (id.kind == ObjectKind::TerminalMaster)
    add({ObjectKind::Terminal, id.dev, 0}, {}, Access::None);
  // who keeps the slave side open decides whether the master sees the end
  if (id.kind == ObjectKind::TerminalMaster)
    contested_[{ObjectKind::Terminal, id.dev, 0}] = contested;
}

void Objects::add_socket(Object& object, Access contested) {
  object.socket = sockets_.describe(object.id.ino);
  if (object.socket && object.socket->peer_is_remote && sockets_.read_everywhere(system_)) {
    name_sockets();
    object.socket = sockets_.describe(object.id.ino);
  }
  if (!object.socket) return;
  const snapshot::Socket socket = *object.socket;
  if (socket.peer.kind != ObjectKind::Unknown) add(socket.peer, {}, contested);
  if (socket.listener.kind != ObjectKind::Unknown) add(socket.listener, {}, contested);
}

ObjectId Objects::find_watched(const Place& place, int fd, std::uint64_t ino) {
  const auto* table = System::table_of(
      *place.process, place.tid.value != 0 ? place.tid : Tid{place.process->pid.value});
  if (table == nullptr) return {};
  const auto it = std::ranges::lower_bound(*table, fd, {}, &Fd::fd);
  const Tid task{place.tid.value != 0 ? place.tid.value : place.process->pid.value};
  if (it != table->end() && it->fd == fd) {
    const auto same = linux::is_epoll_target(task, fd, task, place.fd, fd);
    if (same && *same) return it->object;
    if (!same && it->object.ino == ino) return it->object;
  }
  for (const Fd& other :
       *table) {  // the descriptor moved: pipes and sockets have numbers of their own
    const bool numbered = other.object.dev == 0 &&
                          (other.object.kind == ObjectKind::Pipe || is_socket(other.object.kind));
    if (numbered && other.object.ino == ino) return other.object;
  }
  return {};
}

void Objects::add_epoll_members(const ObjectId& id, const Place& place, Access contested) {
  if (place.process == nullptr || place.fd < 0) return;
  const auto info = fdinfo_of(system_, *place.process, place.tid, place.fd);
  if (!info) {  // what it watches may wake by anybody's hand
    system_.note_unseen(place.process->pid, place.tid, info.error());
    system_.note_unknown_copies(id);
    return;
  }
  for (const linux::EpollTarget& target : info->epoll) {
    const ObjectId before = find_watched(place, target.fd, target.ino);
    identify(before.kind);
    const ObjectId watched = find_watched(place, target.fd, target.ino);
    // looked up each time: the map may have grown
    Object& object = objects_.at(id);
    const bool known = std::ranges::any_of(
        object.watched, [&](const auto& w) { return w.fd == target.fd && w.object == watched; });
    if (!known) object.watched.push_back({target.fd, watched, target.events});
    const bool in =
        (target.events & (EPOLLIN | EPOLLPRI | EPOLLRDHUP)) != 0 || (target.events & EPOLLOUT) == 0;
    add(watched, {place.process, place.tid, target.fd},
        contested == Access::None
            ? contested
            : waking_access({target.fd, watched, in, (target.events & EPOLLOUT) != 0}));
  }
}

/// connect(2) to a full backlog, or sendto(2) to a full datagram socket: the other side is only in
/// the arguments.
void Objects::add_addressed_peer(ProcessEntry& process, ThreadEntry& thread) {
  snapshot::Wait& wait = *thread.out.wait;
  const bool connects = wait.kind == WaitKind::Connect;
  if (wait.objects.empty() || wait.objects[0].object.kind != ObjectKind::UnixSocket) return;
  if (!connects && wait.call != "sendto") return;
  const std::uint64_t address = thread.call->args[connects ? 1 : 4];
  const std::uint64_t length = thread.call->args[connects ? 2 : 5];
  sockaddr_un name{};
  if (address == 0 || length <= offsetof(sockaddr_un, sun_path) || length > sizeof name) return;
  const auto space = system_.space_of(process);
  const Risk risk(system_.progress(), process.pid, Fact::Memory, thread.tid.value);
  if (!space || !risk.allowed()) return;
  const auto bytes = std::as_writable_bytes(std::span(&name, 1)).first(length);
  if (!(*space)->memory.read(RemoteAddr{address}, bytes) || name.sun_family != AF_UNIX) return;
  std::string path(name.sun_path, length - offsetof(sockaddr_un, sun_path));
  if (!path.empty() && path[0] != '\0') path.resize(::strnlen(path.data(), path.size()));
  wait.detail += ", address " + escape_untrusted(path);
  const ObjectId bound = sockets_.find_bound(path);
  if (bound.kind == ObjectKind::Unknown) return;
  const auto it = objects_.find(wait.objects[0].object);
  if (it == objects_.end() || !it->second.socket) return;
  (connects ? it->second.socket->listener : it->second.socket->peer) = bound;
  add(bound, {}, matters(process, wait) ? Access::Both : Access::None);
}

void Objects::add_hidden_holders() {
  if (objects_.empty()) return;
  identify(ObjectKind::OtherSocket);
  std::vector<std::pair<ProcessEntry*, Fd>> rings;
  for_each_table(system_, [&](ProcessEntry& process, Tid tid, std::vector<Fd>& fds) {
    for (const Fd& fd : fds) {
      if (fd.object.kind == ObjectKind::IoUring && tid.value == 0) rings.emplace_back(&process, fd);
    }
  });
  if (!rings.empty()) identify(ObjectKind::IoUring);
  for (const auto& [process, old] : rings) {
    const auto& table = *process->fds;
    const auto it = std::ranges::lower_bound(table, old.fd, {}, &Fd::fd);
    if (it == table.end() || it->fd != old.fd) continue;
    const auto info = fdinfo_of(system_, *process, Tid{}, old.fd);
    if (!info && info.error().cause != Cause::Gone) {  // it may hold anything
      system_.note_hidden_holder(info.error());
      system_.note_unseen(process->pid, Tid{}, info.error());
    }
    if (!info || !info->has_uring) continue;
    std::vector<ObjectId> registered;
    bool touches = is_relevant(it->object);
    for (const std::string& file : info->uring.user_files) {
      const linux::FdEntry entry = linux::parse_fd_link(-1, file);
      ObjectId id{};
      if (entry.kind == linux::FileKind::Pipe) id = {ObjectKind::Pipe, 0, entry.ino};
      if (entry.kind == linux::FileKind::Socket) id = sockets_.id_of(entry.ino);
      if (id.kind == ObjectKind::Unknown) continue;
      registered.push_back(id);
      touches = touches || is_relevant(id);
    }
    if (!touches) continue;
    add(it->object, {process, Tid{}, old.fd}, Access::Both);
    Object& ring = objects_.at(it->object);
    ring.registered = registered;
    const linux::UringInfo& uring = info->uring;
    ring.pending =
        std::max<std::uint64_t>(uring.polls.size(), uring.cached_sq_head - uring.cq_tail);
  }
}

std::map<ObjectId, Objects::Place> Objects::find_places() {
  std::map<ObjectId, Place> places;
  for_each_table(system_, [&](ProcessEntry& process, Tid tid, std::vector<Fd>& fds) {
    for (const Fd& fd : fds) {
      if (!objects_.contains(fd.object)) continue;
      Place& place = places[fd.object];
      const bool better =
          place.process == nullptr || (process.examined && !place.process->examined);
      if (better) place = {&process, tid, fd.fd};
    }
  });
  return places;
}

namespace {

/// A socket with something in its queue.
struct Carrier {
  bool looked_at = false;
  bool near = false;  ///< a process that is looked into can receive from it
  std::uint32_t fds = 0;
};

}  // namespace

/// Descriptors in flight: whoever receives them is a holder that no table shows.
void Objects::find_fds_in_flight() {
  std::set<std::uint64_t> full;
  for (const std::uint64_t ino : sockets_.unix_with_data()) full.insert(ino);
  std::map<std::uint64_t, Carrier> carriers;
  for_each_table(system_, [&](ProcessEntry& process, Tid tid, std::vector<Fd>& fds) {
    for (const Fd& fd : fds) {
      if (!is_socket(fd.object.kind) || !full.contains(fd.object.ino)) continue;
      Carrier& carrier = carriers[fd.object.ino];
      carrier.near = carrier.near || process.examined;
      if (carrier.looked_at) continue;
      carrier.looked_at = true;
      const auto info = fdinfo_of(system_, process, tid, fd.fd);
      carrier.fds = info ? info->scm_fds : 1;
    }
  });
  // in a backlog or in flight itself: nobody's descriptor tells what its queue holds
  if (carriers.size() < full.size() || !sockets_.all_seen()) unknown_fds_in_flight_ = true;
  for (const auto& [ino, carrier] : carriers) {
    if (carrier.fds == 0) continue;
    unknown_fds_in_flight_ = true;
    // between strangers it is no more than a doubt; what somebody of ours can receive makes him a
    // holder
    const ObjectId id = sockets_.id_of(ino);
    if (!carrier.near && !is_peer_near(id)) continue;
    add(id, {}, Access::None);
    Object& object = objects_.at(id);
    if (object.socket) object.socket->fds_in_flight = carrier.fds;
  }
}

/// Does a process that is looked into hold the other end?
bool Objects::is_peer_near(const ObjectId& id) {
  const auto socket = sockets_.describe(id.ino);
  if (!socket || socket->peer.kind == ObjectKind::Unknown) return false;
  bool near = false;
  for_each_table(system_, [&](ProcessEntry& process, Tid, std::vector<Fd>& fds) {
    near = near ||
           (process.examined && std::ranges::find(fds, socket->peer, &Fd::object) != fds.end());
  });
  return near;
}

void Objects::read_facts() {
  if (sockets_.is_read()) find_fds_in_flight();
  const auto places = find_places();
  for (auto& [id, object] : objects_) {
    const auto it = places.find(id);
    read_facts_of(object, it == places.end() ? Place{} : it->second);
  }
  mark_kernel_users();
  mark_first_reads();
}

void Objects::read_facts_of(Object& object, const Place& place) {
  const ObjectKind kind = object.id.kind;
  if (kind == ObjectKind::Pipe) object.name = "pipe:[" + std::to_string(object.id.ino) + "]";
  if (is_socket(kind)) {
    object.name = "socket:[" + std::to_string(object.id.ino) + "]";
    if (object.socket && object.socket->state == "listen" && !object.socket->local.empty())
      object.name = object.socket->local;
  }
  if (kind == ObjectKind::PidFd) object.name = "pidfd of " + std::to_string(object.id.ino);
  if (kind == ObjectKind::Terminal) {
    object.name = (major(object.id.dev) == 136 ? "/dev/pts/" : "/dev/tty") +
                  std::to_string(minor(object.id.dev));
  }
  if (place.process == nullptr) return;
  const std::string base =
      place.tid.value == 0 ? "" : "task/" + std::to_string(place.tid.value) + "/";
  const std::string number = std::to_string(place.fd);
  if (object.name.empty()) {
    const auto link = place.process->dir->read_link(base + "fd/" + number);
    if (link) object.name = escape_untrusted(*link);
  }
  if (kind == ObjectKind::Fifo || kind == ObjectKind::MessageQueue) {
    struct statx file {};
    const int flags = AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT;
    const std::string path = base + "fd/" + number;
    object.has_name = linux::deputy::statx_at(place.process->dir->fd(), path.c_str(), flags,
                                              STATX_NLINK, &file) != 0 ||
                      file.stx_nlink > 0;
  }
  if (kind == ObjectKind::EventFd || kind == ObjectKind::TimerFd || kind == ObjectKind::SignalFd) {
    const auto info = fdinfo_of(system_, *place.process, place.tid, place.fd);
    if (info && info->has_eventfd) object.queued = info->eventfd_count;
    if (info && info->has_eventfd_semaphore) object.semaphore = info->eventfd_semaphore;
    if (info && info->has_eventfd) object.capacity = ~std::uint64_t{0} - 1;
    if (info && info->has_timerfd) object.armed = info->timerfd.armed();
    if (!info && kind == ObjectKind::TimerFd) object.armed = true;
    if (info && info->has_signalfd) object.signals = info->signal_mask;
  }
  if (place.tid.value != 0) return;
  if (kind != ObjectKind::Pipe && kind != ObjectKind::Fifo && kind != ObjectKind::MessageQueue)
    return;
  if (!place.process->examined) return;
  const auto pidfd = system_.pidfd_of(*place.process);
  if (!pidfd) return;
  const Risk risk(system_.progress(), place.process->pid, Fact::CopyFd, place.fd);
  if (!risk.allowed()) return;
  if (kind == ObjectKind::MessageQueue) {
    const auto state = linux::read_mqueue_state(**pidfd, place.fd);
    object.queued =
        state ? Result<std::uint64_t>(state->messages) : Result<std::uint64_t>(state.error());
    object.capacity =
        state ? Result<std::uint64_t>(state->max_messages) : Result<std::uint64_t>(state.error());
    return;
  }
  const auto fill = linux::read_pipe_fill(**pidfd, place.fd);
  object.queued = fill ? Result<std::uint64_t>(fill->queued) : Result<std::uint64_t>(fill.error());
  object.capacity =
      fill ? Result<std::uint64_t>(fill->capacity) : Result<std::uint64_t>(fill.error());
}

namespace {

/// rchar of /proc/PID/io (proc_pid_io(5)): fork(2) begins at 0, and execve(2) reads.
bool has_read_nothing(const linux::ProcDir& dir) {
  const auto text = dir.read_record("io");
  return text && text->starts_with("rchar: 0\n");
}

}  // namespace

void Objects::mark_first_reads() {
  const auto reads_one_byte = [](const ThreadEntry& thread) {
    if (!thread.out.wait || thread.out.wait->kind != snapshot::WaitKind::Read) return false;
    const snapshot::Wait& wait = *thread.out.wait;
    return wait.size == 1 && wait.objects.size() == 1 &&
           wait.objects[0].object.kind == ObjectKind::Pipe;
  };
  std::vector<ProcessEntry*> readers;
  std::vector<linux::deputy::File> files;
  for (const auto& process : system_.processes()) {
    if (!process->examined || process->dead) continue;
    if (std::ranges::none_of(process->threads, reads_one_byte)) continue;
    readers.push_back(process.get());
    files.push_back({system_.dir_to_read_ahead(*process), "io"});
  }
  const linux::deputy::ReadAhead ahead(linux::deputy::Wish::ReadRecord, files);
  for (ProcessEntry* process : readers) {
    const bool first = has_read_nothing(*process->dir);
    for (ThreadEntry& thread : process->threads)
      if (reads_one_byte(thread)) thread.out.wait->is_first = first;
  }
}

/// An eventfd of a process that also has KVM, vhost or a ring may be signalled by the kernel
/// itself.
void Objects::mark_kernel_users() {
  std::set<const ProcessEntry*> users;
  for_each_table(system_, [&](ProcessEntry& process, Tid, std::vector<Fd>& fds) {
    for (const Fd& fd : fds) {
      const bool kvm = fd.object.kind == ObjectKind::Device && linux::is_kvm_device(fd.object.dev);
      if (kvm || fd.object.kind == ObjectKind::IoUring) users.insert(&process);
    }
  });
  if (users.empty()) return;
  for_each_table(system_, [&](ProcessEntry& process, Tid, std::vector<Fd>& fds) {
    if (!users.contains(&process)) return;
    for (const Fd& fd : fds) {
      const auto it = objects_.find(fd.object);
      if (it != objects_.end() && fd.object.kind == ObjectKind::EventFd)
        it->second.kernel_user = true;
    }
  });
}

namespace {

/// Whether the call in which a thread waits with that descriptor refers to its open file: poll(2)
/// does for the queue that it is in (__pollwait() of fs/select.c), reading and writing if the table
/// is shared (fdget() of fs/file.c). A goroutine, or a loop that only asks now and then, is in no
/// such call.
bool refers_to_file(const ThreadEntry& thread, int fd, bool shared) {
  if (!thread.out.wait || thread.out.wait->asked || thread.tid.value >= snapshot::kFirstFiber)
    return false;
  const snapshot::Wait& wait = *thread.out.wait;
  const bool transfers = wait.kind == WaitKind::Read || wait.kind == WaitKind::Write;
  return (wait.kind == WaitKind::Poll || (transfers && shared)) &&
         std::ranges::find(wait.objects, fd, &snapshot::Awaited::fd) != wait.objects.end();
}

/// Those of a table that processes share count once.
std::size_t descriptors_of(const PipeEnds::File& file) {
  const auto number = [](const PipeEnds::Holder& one) { return std::pair(one.table, one.fd); };
  std::vector<PipeEnds::Holder> all = file.holders;
  std::ranges::sort(all, {}, number);
  const auto repeated = std::ranges::unique(all, {}, number);
  return all.size() - repeated.size();
}

}  // namespace

std::size_t Objects::calls_with(const PipeEnds::File& file) const {
  std::size_t calls = 0;
  for (const auto& [table, pid, fd] : file.holders) {
    const ProcessEntry* process = system_.find(pid);
    if (process == nullptr || !process->examined) continue;
    const bool shared = process->threads.size() > 1 || process->out.fd_group != process->pid;
    for (const ThreadEntry& thread : process->threads)
      calls += refers_to_file(thread, fd, shared) ? 1 : 0;
  }
  return calls;
}

snapshot::Counted Objects::counted(const PipeEnds& pipe, bool PipeEnds::File::*side,
                                   std::uint32_t all) const {
  std::uint32_t seen = 0;
  bool complete = true;
  for (const auto& [number, file] : pipe.files) {
    if (!(file.*side)) continue;
    ++seen;
    complete = complete && file.references <= descriptors_of(file) + calls_with(file);
  }
  if (seen < all) return snapshot::Counted::More;
  return seen == all && complete ? snapshot::Counted::All : snapshot::Counted::Unknown;
}

std::vector<Object> Objects::list() const {
  std::vector<Object> objects;
  for (const auto& [id, object] : objects_) {
    objects.push_back(object);
    objects.back().copies_unknown = system_.has_unknown_copies(id);
    const PipeEnds* ends = id.kind == ObjectKind::Pipe ? system_.ends_of(id.ino) : nullptr;
    if (ends == nullptr) continue;
    objects.back().readers = counted(*ends, &PipeEnds::File::readable, ends->readers);
    objects.back().writers = counted(*ends, &PipeEnds::File::writable, ends->writers);
  }
  return objects;
}

}  // namespace ipcdoctor::collect
