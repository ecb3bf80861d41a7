#include <sys/ipc.h>

#include <algorithm>

#include "graph/build.h"

namespace ipcdoctor::graph {

using snapshot::Access;
using snapshot::Awaited;
using snapshot::Counted;
using snapshot::Fd;
using snapshot::LockKind;
using snapshot::Object;
using snapshot::ObjectKind;
using snapshot::Socket;
using snapshot::WaitKind;
using snapshot::Watched;

namespace {

constexpr std::uint32_t kPollIn = 1, kPollOut = 4;
/// EPOLLWAKEUP, EPOLLONESHOT, EPOLLET, EPOLLEXCLUSIVE: what is left of the events of a one-shot
/// entry that has fired, which then reports nothing (fs/eventpoll.c, EP_PRIVATE_BITS).
constexpr std::uint32_t kEpollPrivateBits = 0xf0000000;

/// Of a server to which only the program connects that started it, what it is; "": it is none. It
/// listens at a name that its library made up, where only its user may enter
/// (Lib/multiprocessing/connection.py, arbitrary_address(): an abstract name up to 3.9, then a path
/// in a directory of its own).
std::string private_server(const snapshot::Thread& thread, const Socket& socket) {
  const snapshot::RuntimeObject& object = thread.activity.object;
  const bool serves_tree = snapshot::is_idle(thread.activity) &&
                           object.kind == snapshot::Resource::Server &&
                           object.reach == snapshot::Reach::Tree;
  const bool own_name =
      socket.local.find("/pymp-") != std::string::npos || socket.local.starts_with("@listener-");
  return serves_tree && socket.family == "unix" && own_name ? object.type : "";
}

Counted counted_on(Side side, const Object& object) {
  switch (side) {
    case Side::Readers:
      return object.readers;
    case Side::Writers:
      return object.writers;
    case Side::All:
      break;
  }
  return object.readers == object.writers                                     ? object.readers
         : object.readers == Counted::More || object.writers == Counted::More ? Counted::More
                                                                              : Counted::Unknown;
}

}  // namespace

std::string Build::name(const ObjectId& id) const {
  const Object* object = snapshot::find_object(snapshot_, id);
  if (object != nullptr && !object->name.empty()) return object->name;
  return snapshot::name_of(id.kind) + ":[" + std::to_string(id.ino) + "]";
}

bool Build::anyone_holds(const ObjectId& id, Side side) const {
  return std::ranges::any_of(holders_on(id),
                             [&](const Holder& h) { return is_on(side, h.access); });
}

bool Build::holds(const ObjectId& id, Side side, Pid who) const {
  return std::ranges::any_of(
      holders_on(id), [&](const Holder& h) { return is_on(side, h.access) && h.pid == who; });
}

bool Build::somebody_else_holds(const ObjectId& id, Side side, Pid than) const {
  return std::ranges::any_of(
      holders_on(id), [&](const Holder& h) { return is_on(side, h.access) && h.pid != than; });
}

/// It waits for a post, a signal, or a change of memory that whoever knows its name may map, and
/// not for its turn.
bool Build::awaits_notice_by_name(const Thread& thread) const {
  const snapshot::FutexWait& futex = thread.wait->futex;
  if (thread.activity.operation == snapshot::Operation::Acquire || !futex.shared_memory ||
      snapshot::has_owner(futex.lock.kind) ||
      futex.lock.ownership != snapshot::Ownership::NotStored || !futex.lock.likely_owners.empty())
    return false;
  const snapshot::SharedArea* area = snapshot::find_area(snapshot_, futex.page);
  return area != nullptr && area->has_name && !has_random_name(*area);
}

/// It waits for whoever finds by its name what it takes from, or for the end of its children: as
/// the processes of a service at rest do.
bool Build::serves_clients(Pid pid) const {
  const Process* process = snapshot::find_process(snapshot_, pid);
  if (process == nullptr || process->threads.empty()) return false;
  return std::ranges::all_of(process->threads, [&](const Thread& thread) {
    if (!thread.wait) return false;
    const snapshot::Wait& wait = *thread.wait;
    switch (wait.kind) {
      case WaitKind::Child:
        return true;
      case WaitKind::MqReceive:
        return std::ranges::all_of(wait.objects, [&](const Awaited& awaited) {
          const Object* object = snapshot::find_object(snapshot_, awaited.object);
          return object != nullptr && object->has_name;
        });
      case WaitKind::SysvSem:
        if (!takes_from_set(wait)) return false;
        [[fallthrough]];
      case WaitKind::SysvReceive:
        return std::ranges::any_of(snapshot_.sysv, [&](const snapshot::SysvObject& object) {
          return (object.type == "sem") == (wait.kind == WaitKind::SysvSem) &&
                 object.id == wait.sysv.id && object.key != IPC_PRIVATE;
        });
      case WaitKind::Futex:  // the parties of a barrier are counted
        return wait.futex.lock.kind != LockKind::Barrier && awaits_notice_by_name(thread);
      default:
        return false;
    }
  });
}

/// The tasks that hold a side of an object, and every doubt that there are more.
Node Build::holders(const ObjectId& id, Side side) {
  const auto [it, is_new] = holder_gates_.try_emplace({id, side});
  if (!is_new) return it->second;
  const Node node = it->second = add_gate("", id);
  for (const Holder& holder : holders_on(id)) {
    if (is_on(side, holder.access)) gates_.network.connect(holder.who, node, holder.fd);
  }
  connect_in_flight(node, id);
  const Object* object = snapshot::find_object(snapshot_, id);
  const Counted counted = object == nullptr ? Counted::Unknown : counted_on(side, *object);
  const bool carried = carriers_.contains(id) || !unnamed_carriers_.empty();
  if (counted == Counted::More && !carried)
    gates_.network.connect(
        add_leaf(Life::NotSeen, "somebody who was not seen has " + name(id) + " open", {}, id),
        node);
  if (counted != Counted::All) connect_unseen(node, id);
  if (object != nullptr && object->copies_unknown) {
    gates_.network.connect(
        add_leaf(Life::NotSeen, "who else has " + name(id) + " could not be told", {}, id), node);
  }
  if (object != nullptr && object->kernel_user) {
    gates_.network.connect(
        add_leaf(Life::KernelUser, "the kernel itself does not use " + name(id), {}, id), node);
  }
  return node;
}

/// Holders of which nothing was seen.
void Build::connect_unseen(Node to, const ObjectId& id) {
  gates_.network.connect(unreadable_tables_, to);
  if (!snapshot_.all_holders_seen) {
    gates_.network.connect(
        unlisted_or(Life::UnseenHolder,
                    "no process that could not be looked into holds " + name(id), {}, id),
        to);
  }
  if (snapshot_.unknown_fds_in_flight || strange_carriers_) {
    gates_.network.connect(
        add_leaf(Life::FdsInFlight,
                 "no descriptor on its way through a socket refers to " + name(id), {}, id),
        to);
  }
}

/// Who can receive a descriptor, or close what carries it, holds it too. Of unnamed ones any may be
/// meant.
void Build::connect_in_flight(Node to, const ObjectId& id) {
  std::vector<ObjectId> carriers = unnamed_carriers_;
  if (const auto it = carriers_.find(id); it != carriers_.end()) {
    carriers.insert(carriers.end(), it->second.begin(), it->second.end());
  }
  for (const ObjectId& carrier : carriers) {
    if (carrier == id) continue;
    const Node inner = add_gate(
        carrier.kind == ObjectKind::IoUring ? "io_uring" : "descriptor-in-flight", carrier);
    gates_.network.connect(holders(carrier, Side::All), inner);
    gates_.network.connect(inner, to);
    const Object* object = snapshot::find_object(snapshot_, carrier);
    if (object != nullptr && object->socket &&
        object->socket->listener.kind != ObjectKind::Unknown) {
      gates_.network.connect(holders(object->socket->listener, Side::All), inner);
    } else if (!anyone_holds(carrier, Side::All)) {
      gates_.network.connect(
          add_leaf(Life::NotSeen, "nobody is seen to hold " + name(carrier), {}, carrier), inner);
    }
  }
}

void Build::holders_event(Node to, const char* by, const ObjectId& id, Side side) {
  const auto [it, is_new] = labels_.try_emplace({by, id, side});
  if (is_new) {
    it->second = add_gate(by, id);
    const Node inner = holders(id, side);
    gates_.network.connect(inner, it->second);
  }
  gates_.network.connect(it->second, to);
}

void Build::object_event(Node to, const Awaited& awaited, const Waiter& waiter) {
  const ObjectId& id = awaited.object;
  const Object* object = snapshot::find_object(snapshot_, id);
  switch (id.kind) {
    case ObjectKind::Pipe:
    case ObjectKind::Fifo:
      return pipe_event(to, awaited, waiter);
    case ObjectKind::UnixSocket:
    case ObjectKind::InetSocket:
      return socket_event(to, awaited, waiter);
    case ObjectKind::EventFd:
      return holders_event(to, "eventfd", id, Side::All);
    case ObjectKind::Epoll:
      gates_.network.connect(epoll(id, waiter), to);
      return;
    case ObjectKind::TimerFd:
      if (object == nullptr || object->armed) {
        gates_.network.connect(add_leaf(Life::Timer, name(id) + " will fire", waiter.task, id), to);
      }
      return holders_event(to, "timerfd", id, Side::All);
    case ObjectKind::PidFd:
      return pidfd_event(to, id);
    case ObjectKind::SignalFd:
      return signalfd_event(to, id, waiter);
    case ObjectKind::MessageQueue:
      return queue_event(to, awaited, waiter);
    case ObjectKind::Terminal:
    case ObjectKind::TerminalMaster:
      return terminal_event(to, id);
    case ObjectKind::IoUring:
      if (object == nullptr || object->pending > 0) {
        gates_.network.connect(
            add_leaf(Life::Outside, "operations of " + name(id) + " are under way", {}, id), to);
      }
      gates_.network.connect(
          add_leaf(Life::KernelUser, "the kernel completes nothing on " + name(id), {}, id), to);
      return holders_event(to, "io_uring", id, Side::All);
    case ObjectKind::Unknown:
      gates_.network.connect(
          add_leaf(Life::NotSeen, "what fd " + std::to_string(awaited.fd) + " is was not seen",
                   waiter.task),
          to);
      return;
    default:
      gates_.network.connect(add_leaf(Life::Outside, "waits for " + name(id), waiter.task, id), to);
  }
}

/// Anybody may send a signal that is blocked, so that it becomes pending. Of others only what
/// blocks them later.
void Build::signalfd_event(Node to, const ObjectId& id, const Waiter& waiter) {
  const Object* object = snapshot::find_object(snapshot_, id);
  const bool never_pending = object != nullptr && object->signals != 0 &&
                             snapshot::blocks_none_of(waiter.process, object->signals);
  gates_.network.connect(add_leaf(never_pending ? Life::Signal : Life::Outside,
                                  "waits for " + name(id), waiter.task, id),
                         to);
  if (never_pending) gates_.network.connect(tree(), to);
}

void Build::pipe_event(Node to, const Awaited& awaited, const Waiter& waiter) {
  const ObjectId& id = awaited.object;
  // poll() on a write end reports the last reader's close whatever was asked for, and the other way
  // round.
  bool from_writers = awaited.in, from_readers = awaited.out;
  if (waiter.wait.kind == WaitKind::Poll || waiter.wait.kind == WaitKind::Epoll) {
    const auto look_at = [&](const Result<std::vector<snapshot::Fd>>& table) {
      if (!table) return;
      for (const snapshot::Fd& fd : std::ranges::equal_range(*table, awaited.fd, {}, &Fd::fd)) {
        if (fd.object != id) continue;
        from_writers |= fd.access == Access::Read;
        from_readers |= fd.access == Access::Write;
      }
    };
    look_at(waiter.process.fds);
    for (const Thread& thread : waiter.process.threads) look_at(thread.own_fds);
  }
  if (!from_writers && !from_readers) from_writers = from_readers = true;
  if (from_writers) holders_event(to, "pipe-write-end", id, Side::Writers);
  if (from_readers) holders_event(to, "pipe-read-end", id, Side::Readers);

  const Object* object = snapshot::find_object(snapshot_, id);
  const Side side = from_writers ? Side::Writers : Side::Readers;
  if (id.kind == ObjectKind::Fifo && (object == nullptr || object->has_name)) {
    // Who reads from it and holds a write end as well never meets its end: clients come and go. So
    // they do for a loop of a script that somebody keeps it open for.
    const bool keeps_open =
        from_writers && (waiter.wait.comes_back || holds(id, Side::Writers, waiter.process.pid));
    const bool closed_world = somebody_else_holds(id, side, waiter.process.pid);
    gates_.network.connect(
        !closed_world ? add_leaf(Life::Outside, "anybody may open " + name(id), waiter.task, id)
        : keeps_open
            ? add_leaf(Life::Client, "a client that writes into " + name(id), waiter.task, id)
            : add_leaf(Life::NamedObject, "nobody else opens " + name(id), waiter.task, id),
        to);
  } else if ((from_writers && !anyone_holds(id, Side::Writers)) ||
             (from_readers && !anyone_holds(id, Side::Readers))) {
    // The kernel would have ended the wait: somebody holds the other end where it cannot be seen.
    if (carriers_.contains(id)) return;
    const Node leaf =
        unnamed_carriers_.empty()
            ? add_leaf(Life::NotSeen, "nobody is seen to hold the other end of " + name(id),
                       waiter.task, id)
            : add_leaf(Life::FdsInFlight,
                       "the other end of " + name(id) +
                           " is one of the descriptors that were seen in flight",
                       waiter.task, id);
    gates_.network.connect(leaf, to);
  }
}

void Build::socket_event(Node to, const Awaited& awaited, const Waiter& waiter) {
  const Object* object = snapshot::find_object(snapshot_, awaited.object);
  const ObjectId& id = awaited.object;
  if (object == nullptr || !object->socket) {
    gates_.network.connect(
        add_leaf(Life::NotSeen, "the peer of " + name(id) + " is not known", waiter.task, id), to);
    return;
  }
  const Socket& socket = *object->socket;
  if (socket.state == "listen") {
    holders_event(to, "own-end", id, Side::All);
    const std::string server = private_server(waiter.thread, socket);
    const Node leaf =
        !server.empty()
            ? add_leaf(Life::PrivateName,
                       "nobody else connects to the " + server + " at " + name(id), waiter.task, id)
            : add_leaf(Life::Outside, "anybody may connect to " + name(id), waiter.task, id);
    gates_.network.connect(leaf, to);
    if (!server.empty()) gates_.network.connect(tree(), to);
    return;
  }
  if (socket.half_open && awaited.in && !awaited.out) return half_open_event(to, *object, waiter);
  if (socket.peer_is_remote) {
    const std::string why = socket.elsewhere.empty() ? "" : " (" + socket.elsewhere + ")";
    gates_.network.connect(
        add_leaf(Life::Outside, "the peer of " + name(id) + " is elsewhere " + socket.remote + why,
                 waiter.task, id),
        to);
    return;
  }
  if (socket.peer.kind == ObjectKind::Unknown && !socket.peer_in_backlog) {
    const bool connected =
        socket.family == "unix" && (socket.type != "dgram" || socket.state == "established");
    gates_.network.connect(
        connected
            ? add_leaf(Life::NotSeen, "the peer of " + name(id) + " was not found", waiter.task, id)
            : add_leaf(Life::Outside, "anybody may send to " + name(id), waiter.task, id),
        to);
    return;
  }
  if (socket.peer_closed || (awaited.in && socket.shut_read) ||
      (awaited.out && socket.shut_write)) {
    gates_.network.connect(
        add_leaf(Life::NotUnderstood, "the connection of " + name(id) + " has been shut down",
                 waiter.task, id),
        to);
  }
  connected_event(to, *object, awaited.out || !awaited.in, waiter);
  if (awaited.in || !awaited.out) arriving_event(to, *object, waiter);
  if (socket.peer_is_joined) joined_event(to, awaited, socket, waiter);
  holders_event(to, "own-end", id, Side::All);
}

/// Nothing comes any more, but what its own side does: a shutdown, or the timer of keepalive that
/// finds it out.
void Build::half_open_event(Node to, const Object& object, const Waiter& waiter) {
  const Socket& socket = *object.socket;
  holders_event(to, "own-end", object.id, Side::All);
  if (!socket.tcp || socket.tcp->timer != snapshot::TcpTimer::None)
    gates_.network.connect(
        add_leaf(Life::Timer, "a TCP timer may end " + object.name, waiter.task, object.id), to);
  gates_.network.connect(
      add_leaf(Life::HalfOpen, "the peer of " + object.name + " is gone: " + socket.elsewhere,
               waiter.task, object.id),
      to);
}

/// The peer is on this host: its holders read, write, shut down or close.
/// It waits for clients, and for nothing else. A private server of a library has its own lives.
bool Build::only_accepts(const Thread& thread) const {
  const snapshot::Wait* wait = thread.wait ? &*thread.wait : nullptr;
  if (wait == nullptr || snapshot::is_fiber(thread.tid) || wait->objects.empty()) return false;
  return (wait->kind == WaitKind::Accept || wait->kind == WaitKind::Poll) &&
         std::ranges::all_of(wait->objects, [&](const Awaited& awaited) {
           const Object* object = snapshot::find_object(snapshot_, awaited.object);
           return object != nullptr && object->socket && object->socket->state == "listen" &&
                  private_server(thread, *object->socket).empty();
         });
}

const std::vector<Node>& Build::acceptors_of(const ObjectId& listener) {
  if (!acceptors_) {
    acceptors_.emplace();
    for (const auto& [task, node] : gates_.node_of_task) {
      const Thread* thread = snapshot::find_thread(snapshot_, task);
      if (thread != nullptr && only_accepts(*thread))
        for (const Awaited& awaited : thread->wait->objects)
          (*acceptors_)[awaited.object].push_back(node);
    }
  }
  return (*acceptors_)[listener];
}

void Build::connected_event(Node to, const Object& object, bool out, const Waiter& waiter) {
  const Socket& socket = *object.socket;
  const Object* peer = snapshot::find_object(snapshot_, socket.peer);
  if (socket.peer.kind != ObjectKind::Unknown)
    holders_event(to, "socket-peer", socket.peer, Side::All);
  ObjectId listener = socket.listener;
  if (listener.kind == ObjectKind::Unknown && peer != nullptr && peer->socket)
    listener = peer->socket->listener;
  const bool has_listener = listener.kind != ObjectKind::Unknown;
  if (has_listener) {
    holders_event(to, "listener", listener, Side::All);
    // who waits for clients just now has one
    for (const Node acceptor : acceptors_of(listener)) gates_.network.connect(acceptor, to);
  }
  if (!anyone_holds(has_listener ? listener : socket.peer, Side::All) &&
      !carriers_.contains(socket.peer)) {
    gates_.network.connect(
        add_leaf(Life::NotSeen, "nobody is seen to hold the peer of " + object.name, waiter.task,
                 object.id),
        to);
  }
  if (!out) return;
  if (may_be_acknowledged(socket, peer))
    gates_.network.connect(add_leaf(Life::Timer, "bytes of " + object.name + " are on their way",
                                    waiter.task, object.id),
                           to);
  if (socket.family != "unix" && (socket.kernel_timer || peer == nullptr || !peer->socket)) {
    // With data that the peer does not take the timer is the one that probes its closed window.
    const bool window_closed = peer != nullptr && peer->socket && peer->socket->receive_queue > 0;
    gates_.network.connect(
        window_closed ? add_leaf(Life::KernelUser, "no TCP timer ends the send on " + object.name,
                                 waiter.task, object.id)
                      : add_leaf(Life::Timer, "a TCP timer may end the send on " + object.name,
                                 waiter.task, object.id),
        to);
  }
  if (socket.type == "dgram" && waiter.wait.wchan.find("unix_wait_for_peer") == std::string::npos) {
    gates_.network.connect(add_leaf(Life::NamedObject, object.name + " sends to its peer only",
                                    waiter.task, object.id),
                           to);
  }
}

/// What the peer has sent and is not acknowledged may still arrive, whoever sent it is dead by now
/// or not. The kernel's queues tell: a peer whose send queue is empty has nothing under way. A peer
/// that only probes a window which the reader itself has closed has nothing under way either.
void Build::arriving_event(Node to, const Object& object, const Waiter& waiter) {
  const Object* peer = snapshot::find_object(snapshot_, object.socket->peer);
  if (object.id.kind != ObjectKind::InetSocket || peer == nullptr || !peer->socket) return;
  const Socket& theirs = *peer->socket;
  if (theirs.type == "dgram") {
    if (theirs.net_ns == object.socket->net_ns) return;  // the loopback device delivers at once
    gates_.network.connect(add_leaf(Life::Outside, "a datagram may be on its way to " + object.name,
                                    waiter.task, object.id),
                           to);
    return;
  }
  const bool probes = theirs.tcp && theirs.tcp->timer == snapshot::TcpTimer::Probe;
  if (theirs.send_queue == 0 || (probes && object.socket->receive_queue > 0)) return;
  gates_.network.connect(
      add_leaf(Life::Timer, "bytes are on their way to " + object.name, waiter.task, object.id),
      to);
}

/// The peer is on another host, which was not looked at in the same moment.
void Build::joined_event(Node to, const Awaited& awaited, const Socket& socket,
                         const Waiter& waiter) {
  const auto doubt = [&](bool asked, const std::string& text) {
    if (asked && !text.empty())
      gates_.network.connect(add_leaf(Life::Outside, text, waiter.task, awaited.object), to);
  };
  doubt(awaited.in || !awaited.out, socket.in_doubt);
  doubt(awaited.out || !awaited.in, socket.out_doubt);
  if (!socket.looked_once) return;
  const std::string here = snapshot::host_prefix(snapshot_, waiter.task.pid.value);
  gates_.network.connect(
      add_leaf(Life::OneRound,
               "nothing moved between the looks at " + here.substr(0, here.rfind(':')) +
                   " and at the host of " + socket.remote + " (a second round would tell)",
               waiter.task, awaited.object),
      to);
}

/// Room comes with an acknowledgement that is under way; none is once the peer's queue is full and
/// its window closed.
bool Build::may_be_acknowledged(const Socket& ours, const Object* peer) const {
  if (ours.tcp)
    return ours.tcp->unacked > 0 || peer == nullptr || !peer->socket ||
           peer->socket->receive_queue == 0;
  return ours.family.starts_with("tcp") && ours.tcp.error().cause != Cause::NotRead;
}

void Build::queue_event(Node to, const Awaited& awaited, const Waiter& waiter) {
  const ObjectId& id = awaited.object;
  if (awaited.in) holders_event(to, "message-queue", id, Side::Writers);
  if (awaited.out || !awaited.in) holders_event(to, "message-queue", id, Side::Readers);
  const Object* object = snapshot::find_object(snapshot_, id);
  if (object != nullptr && !object->has_name) return;
  // A queue with a name that only its reader has open is a server's: strangers are what it is for.
  const Side side = awaited.in ? Side::Writers : Side::Readers;
  const bool closed_world = awaited.out || somebody_else_holds(id, side, waiter.process.pid);
  const auto range = holders_on(id);
  const bool crew =
      waiter.wait.kind == WaitKind::MqReceive && std::ranges::all_of(range, [&](const Holder& h) {
        return !is_on(side, h.access) || serves_clients(h.pid);
      });
  gates_.network.connect(
      !closed_world ? add_leaf(Life::Outside, "anybody may open " + name(id), waiter.task, id)
      : crew        ? add_leaf(Life::Client, "a client that opens " + name(id), waiter.task, id)
                    : add_leaf(Life::NamedObject, "nobody else opens " + name(id), waiter.task, id),
      to);
}

/// The other side of a pty; the own side too, which may flush, hang up or push input back
/// (TIOCSTI).
void Build::terminal_event(Node to, const ObjectId& id) {
  const ObjectId slave{ObjectKind::Terminal, id.dev, 0},
      master{ObjectKind::TerminalMaster, id.dev, 0};
  bool is_ours = anyone_holds(master, Side::All);
  for (const Holder& holder : holders_on(master)) {
    const Process* process = snapshot::find_process(snapshot_, holder.pid);
    is_ours = is_ours && process != nullptr && snapshot::is_of_tree(process->scope);
  }
  if (!is_ours) {
    gates_.network.connect(add_leaf(Life::Outside, "waits for terminal " + name(id), {}, id), to);
    return;
  }
  holders_event(to, "terminal", master, Side::All);
  holders_event(to, "terminal", slave, Side::All);
  gates_.network.connect(add_leaf(Life::PrivateName, "nobody else opens " + name(slave), {}, id),
                         to);
}

/// Any watched event, or a change of the set by who holds it. Sets may watch each other.
Node Build::epoll(const ObjectId& id, const Waiter& waiter) {
  if (const auto it = epolls_.find(id); it != epolls_.end()) return it->second;
  const Node node = add_gate("epoll", id);
  epolls_.emplace(id, node);  // before what it watches: a hostile set may contain itself
  holders_event(node, "epoll", id, Side::All);
  const Object* object = snapshot::find_object(snapshot_, id);
  if (object == nullptr) {
    gates_.network.connect(
        add_leaf(Life::NotSeen, "what " + name(id) + " watches was not seen", waiter.task, id),
        node);
    return node;
  }
  for (const Watched& watched : object->watched) {
    if ((watched.events & ~kEpollPrivateBits) == 0) continue;
    Awaited awaited{watched.fd, watched.object, (watched.events & kPollIn) != 0,
                    (watched.events & kPollOut) != 0};
    if (!awaited.in && !awaited.out) awaited.in = awaited.out = true;
    object_event(node, awaited, waiter);
  }
  return node;
}

void Build::pidfd_event(Node to, const ObjectId& id) {
  if (id.dev != 0) {  // it could not be asked whose it is
    gates_.network.connect(
        add_leaf(Life::NotSeen, "whose end " + name(id) + " tells was not seen", {}, id), to);
    return;
  }
  const Pid pid{static_cast<int>(id.ino)};
  const Process* process = snapshot::find_process(snapshot_, pid);
  if (process != nullptr && (process->dead || process->exited)) {
    gates_.network.connect(
        add_leaf(Life::NotUnderstood,
                 "process " + snapshot::number_of(snapshot_, pid) + " has exited", {pid, Tid{}},
                 id),
        to);
  }
  const Node exit = add_gate("child-exit", id);
  gates_.network.connect(ends_of(pid), exit);
  gates_.network.connect(exit, to);
}

void Build::connect_event(Node to, const Waiter& waiter) {
  for (const Awaited& awaited : waiter.wait.objects) {
    const Object* object = snapshot::find_object(snapshot_, awaited.object);
    holders_event(to, "own-end", awaited.object, Side::All);
    const bool is_unix = object != nullptr && object->socket && object->socket->family == "unix";
    if (is_unix && object->socket->listener.kind != ObjectKind::Unknown) {
      holders_event(to, "listener", object->socket->listener, Side::All);
      if (!anyone_holds(object->socket->listener, Side::All)) {
        gates_.network.connect(
            add_leaf(Life::NotSeen, "nobody is seen to hold " + name(object->socket->listener),
                     waiter.task, object->socket->listener),
            to);
      }
    } else {
      // TCP gives up by itself; an unknown listener may accept.
      gates_.network.connect(add_leaf(is_unix ? Life::NotSeen : Life::Outside,
                                      "whom " + name(awaited.object) + " connects to is not known",
                                      waiter.task, awaited.object),
                             to);
    }
  }
}

}  // namespace ipcdoctor::graph
