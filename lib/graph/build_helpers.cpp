#include <algorithm>
#include <array>
#include <csignal>
#include <cstring>

#include "graph/build.h"
#include "graph/debts.h"
#include "snapshot/restarts.h"

/// What a task that lives can do for others, as far as its code was read; and what the handlers of
/// signals can.
namespace ipcdoctor::graph {

using snapshot::Effects;
using snapshot::Handler;
using snapshot::LockKind;
using snapshot::WaitKind;

namespace {

/// Whatever else it does: another thread or process, a way out of its code that was not followed,
/// the destructors at its end; an end, its own or one by a signal, closes and releases.
constexpr std::uint32_t kAnything = snapshot::kForks | snapshot::kRaises | snapshot::kEndsThread |
                                    snapshot::kExits | snapshot::kSignals | snapshot::kLeaves;

constexpr std::uint32_t kOnChannels = snapshot::kReads | snapshot::kWrites | snapshot::kCloses;

std::uint32_t effects_on(Reach reach) {
  switch (reach) {
    case Reach::Memory:
      return kAnything | snapshot::kReleases;
    case Reach::Descriptors:
      return kAnything | kOnChannels;
    case Reach::Processes:
      return kAnything;
    case Reach::Anything:
      break;
  }
  return ~std::uint32_t{0};
}

/// A thread beside the main one that looks like a bystander: it sleeps, beats, or waits for
/// strangers or orders.
bool seems_a_bystander(const snapshot::Process& process, const snapshot::Thread& thread) {
  if (thread.tid.value == process.pid.value || !thread.wait) return false;
  const snapshot::Wait& wait = *thread.wait;
  const bool is_fiber = snapshot::is_fiber(thread.tid);  // made to hand on what it gets
  switch (wait.kind) {
    case WaitKind::Sleep:
      return true;
    case WaitKind::Read:
      return !is_fiber && !wait.objects.empty() && is_channel(wait.objects.front().object.kind);
    case WaitKind::Accept:
      return true;
    case WaitKind::Poll:
    case WaitKind::Epoll:
      return !is_fiber;
    case WaitKind::Futex:
      return !wait.untimed;
    default:
      return false;
  }
}

/// It helps nobody unless somebody from outside comes: one who could is not one who does.
bool waits_for_a_client(const snapshot::Thread& thread) {
  return thread.wait && thread.wait->untimed && thread.wait->kind == WaitKind::Accept;
}

/// What an operator or a service manager sends.
constexpr std::array kOperators = {SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGTERM};

/// What ends a service, or makes it read its configuration again. With the others the processes of
/// a program speak to each other.
constexpr std::array kForServices = {SIGHUP, SIGINT, SIGQUIT, SIGTERM};

/// SIGINT becomes a KeyboardInterrupt, which ends the program as its default action would.
bool is_default_of_language(const snapshot::Process& process, int signal, const Handler* handler) {
  return signal == SIGINT && !process.interpreter.version.empty() &&
         (handler == nullptr || handler->name.find("default_int_handler") != std::string::npos);
}

const Handler* find_handler(const snapshot::Process& process, int signal) {
  if (!process.handlers) return nullptr;
  const auto it = std::ranges::find(*process.handlers, signal, &Handler::signal);
  return it == process.handlers->end() ? nullptr : &*it;
}

/// The libc repeats it whatever the handler was installed with: mutexes, conditions, barriers and
/// joins do not return EINTR (pthreads(7)).
bool libc_repeats(const snapshot::Wait& wait) {
  if (wait.kind != WaitKind::Futex) return false;
  switch (wait.futex.lock.kind) {
    case LockKind::Unknown:
    case LockKind::Semaphore:
    case LockKind::SharedSemaphore:
      return false;
    default:
      return true;
  }
}

/// An interpreter repeats its calls after a handler that did not raise (PEP 475), but those that
/// wait for a signal.
bool language_repeats(const snapshot::Thread& thread) {
  return thread.is_interpreted && thread.wait->kind != WaitKind::Signal;
}

/// A thread that waits in memory for what anybody may give: whose end is awaited may wait for what
/// a handler does.
bool has_parked_thread(const snapshot::Process& process) {
  return std::ranges::any_of(process.threads, [](const snapshot::Thread& thread) {
    if (!thread.wait || thread.wait->kind != WaitKind::Futex) return false;
    const LockKind lock = thread.wait->futex.lock.kind;
    return !snapshot::is_join(lock) && !snapshot::has_owner(lock);
  });
}

std::string signal_name(int signal) {
  const char* name = ::sigabbrev_np(signal);
  return name == nullptr ? "signal " + std::to_string(signal) : "SIG" + std::string(name);
}

/// "SIGHUP, SIGTERM"
std::string list_of(const std::vector<int>& signals) {
  std::string text;
  for (const int signal : signals) text += (text.empty() ? "" : ", ") + signal_name(signal);
  return text;
}

/// Whether a handler is one more way out of the wait. One for a signal has the signal as its own
/// leaf; in state D a thread dies by a signal or sleeps on.
bool is_interruptible(const snapshot::Thread& thread) {
  const snapshot::Wait& wait = *thread.wait;
  switch (wait.kind) {
    case WaitKind::Running:
    case WaitKind::Stopped:
    case WaitKind::Traced:
    case WaitKind::Vfork:
    case WaitKind::Signal:
      return false;
    case WaitKind::Poll:
      return !wait.objects.empty();
    default:
      return thread.state != 'D';
  }
}

}  // namespace

/// Whether somebody waits for what those descriptors are; true where that is not known.
bool Build::is_awaited(const snapshot::Process& process, const std::vector<int>& fds,
                       const TaskRef& except) {
  const auto awaits = [&](const ObjectId& id) {
    const auto it = awaited().find(id);
    return it != awaited().end() && (except == TaskRef{} || it->second != except);
  };
  if (fds.empty() || !process.fds) return true;
  return std::ranges::any_of(fds, [&](int fd) {
    const auto it = std::ranges::find(*process.fds, fd, &snapshot::Fd::fd);
    if (it == process.fds->end()) return true;
    const snapshot::Object* object = snapshot::find_object(snapshot_, it->object);
    const ObjectId peer = object != nullptr && object->socket ? object->socket->peer : ObjectId{};
    return awaits(it->object) || (peer.kind != snapshot::ObjectKind::Unknown && awaits(peer));
  });
}

const std::map<ObjectId, TaskRef>& Build::awaited() {
  if (awaited_) return *awaited_;
  awaited_.emplace();
  const auto add = [this](const ObjectId& object, const TaskRef& task) {
    const auto [it, is_new] = awaited_->try_emplace(object, task);
    if (!is_new && it->second != task) it->second = TaskRef{};
  };
  for (const snapshot::Process& process : snapshot_.processes) {
    for (const snapshot::Thread& thread : process.threads) {
      if (!thread.wait) continue;
      for (const snapshot::Wait& question : thread.asks)
        for (const snapshot::Awaited& awaited : question.objects)
          add(awaited.object, {process.pid, thread.tid});
      for (const snapshot::Awaited& awaited : thread.wait->objects) {
        add(awaited.object, {process.pid, thread.tid});
        const snapshot::Object* object = snapshot::find_object(snapshot_, awaited.object);
        if (object == nullptr) continue;
        // who has not been accepted yet waits for an accept
        if (object->socket) {
          const snapshot::Object* peer = snapshot::find_object(snapshot_, object->socket->peer);
          add(object->socket->listener, {process.pid, thread.tid});
          if (peer != nullptr && peer->socket)
            add(peer->socket->listener, {process.pid, thread.tid});
        }
        for (const snapshot::Watched& watched : object->watched)
          add(watched.object, {process.pid, thread.tid});
      }
    }
  }
  return *awaited_;
}

/// Who waits elsewhere than in a futex for ever may live, and is asked what it can do. One whose
/// code says that it will help is no bystander.
void Build::add_help(const Process& process, const Thread& thread, Node node, Node to,
                     Reach reach) {
  const bool idle = !thread.wait ||
                    (thread.wait->kind == WaitKind::Futex && thread.wait->untimed && !thread.next);
  if (idle) return gates_.network.connect(node, to);
  const TaskRef task{process.pid, thread.tid};
  // One of the runtime's acts when its program asks for it, unless it does so right now.
  const bool rests = !thread.housekeeping.empty() && thread.stable && thread.state != 'R';
  bool reaches = !rests;
  if (reaches && thread.next) {
    const Effects& next = *thread.next;
    reaches = next.may(effects_on(reach));
    const bool only_descriptors =
        reach == Reach::Descriptors && !next.may(kAnything) && !is_awaited(process, next.fds, task);
    const bool only_wakes =  // those have an edge of their own
        reach == Reach::Memory && !next.may(kAnything) && !next.releases.empty();
    const bool only_known =  // such a wake-up has an edge of its own, too
        reach == Reach::Anything && !next.may(kAnything) &&
        (!next.may(snapshot::kReleases) || !next.releases.empty()) &&
        (!next.may(kOnChannels) || !is_awaited(process, next.fds, task));
    reaches = reaches && !only_descriptors && !only_wakes && !only_known;
  }
  Node leaf = Gate::kNoGuard;
  if (!reaches) {
    const auto [it, is_new] = read_helpers_.try_emplace(task);
    if (is_new) {
      const std::string does = rests ? "a " + thread.housekeeping
                               : thread.next->summary.empty()
                                   ? "its code was read"
                                   : "its code was read, only " + thread.next->summary;
      it->second = add_leaf(
          Life::ReadHelper,
          snapshot::label(snapshot_, task) + " does nothing for the others (" + does + ")", task);
    }
    leaf = it->second;
  } else if (const auto doubt = doubt_about(process, thread)) {
    const auto [it, is_new] = helpers_.try_emplace(task);
    if (is_new) it->second = add_leaf(*doubt, describe_helper(thread, task), task);
    leaf = it->second;
  }
  gates_.network.connect(node, leaf == Gate::kNoGuard ? to : add_guarded(to, leaf));
}

/// As what a claim under a condition takes one for absent who could help and was not read.
std::optional<Life> Build::doubt_about(const Process& process, const Thread& thread) const {
  if (is_server(process, thread)) return Life::Server;
  const bool unknown = !thread.next || thread.next->may(0);
  if ((unknown || waits_for_a_client(thread)) && seems_a_bystander(process, thread))
    return Life::Helper;
  const bool doubted = timed_ == WaitGraph::Timed::Doubted && thread.stable &&
                       thread.state != 'R' && has_timeout(*thread.wait) &&
                       thread.wait->kind != WaitKind::Unknown;
  return doubted && unknown ? std::optional(Life::Doubted) : std::nullopt;
}

/// The main thread of a server, which has others work for its clients: what it does for these it
/// does where one comes.
bool Build::is_server(const Process& process, const Thread& thread) const {
  return thread.tid.value == process.pid.value && process.threads.size() > 1 &&
         only_accepts(thread);
}

/// "app[42/43] (accept, on 127.0.0.1:80)"
std::string Build::describe_helper(const Thread& thread, const TaskRef& task,
                                   const std::string& how) const {
  const snapshot::Wait& wait = *thread.wait;
  std::string what = wait.call.empty() ? "it waits" : wait.call;
  if (wait.kind == WaitKind::Sleep) what = "it " + sleep_words(wait);
  if (!wait.objects.empty() && wait.objects.front().object.kind != snapshot::ObjectKind::Unknown &&
      wait.kind != WaitKind::Epoll)
    what += " on " + name(wait.objects.front().object);
  if (!how.empty()) what += ", " + how;
  std::string at = snapshot::where(thread);
  if (at.empty() && snapshot::is_fiber(thread.tid)) at = thread.name;
  if (!at.empty()) what += ", " + at;
  return snapshot::label(snapshot_, task) + " (" + what + ")";
}

/// Those of its memory that wait for one of these, or for what is not known; and those who only
/// look, again and again.
std::vector<TaskRef> Build::those_who_wait_for(const std::vector<std::uint64_t>& released,
                                               const Process& process) const {
  std::vector<TaskRef> found;
  const auto is_released = [&](const snapshot::FutexWait& futex) {
    // a thread may wait for any word of a pthread_cond_t, pthread_barrier_t or pthread_rwlock_t
    const bool has_words =
        futex.lock.kind == LockKind::Condition || futex.lock.kind == LockKind::Barrier ||
        futex.lock.kind == LockKind::RwlockRead || futex.lock.kind == LockKind::RwlockWrite;
    const std::uint64_t words = has_words ? 48 : 1;
    return std::ranges::any_of(released, [&](std::uint64_t begin) {
      return futex.lock.address.value == begin || futex.address.value - begin < words;
    });
  };
  const Pid memory = snapshot::memory_of(process);
  for (const Process& other : snapshot_.processes) {
    if (snapshot::memory_of(other) != memory) continue;
    for (const Thread& thread : other.threads) {
      if (!thread.wait || !gates_.node_of_task.contains({other.pid, thread.tid})) continue;
      const snapshot::FutexWait& futex = thread.wait->futex;
      const bool looks = thread.wait->asked || !thread.asks.empty();  // again and again
      const bool waits = thread.wait->kind == WaitKind::Futex &&
                         (futex.lock.kind == LockKind::Unknown ||
                          futex.lock.kind == LockKind::Semaphore || is_released(futex));
      if (looks || waits) found.push_back({other.pid, thread.tid});
    }
  }
  return found;
}

/// Those who wait for what it releases live by it. Who waits for a time only lives anyway, and his
/// code was read from there on.
void Build::helped_by(const Handler& handler, const Process& process) {
  if (!handlers_.insert(&handler).second) return;
  const std::string text = "a handler for " + signal_name(handler.signal) + " of " +
                           snapshot::label(snapshot_, {process.pid, Tid{}});
  for (const TaskRef& task : those_who_wait_for(handler.effects->releases, process))
    gates_.network.connect(add_leaf(Life::Steered, text, task), gates_.node_of_task.at(task));
}

/// A thread whose code says whom it will wake, where that is all that it does in memory.
void Build::wakes_others(const Process& process, const Thread& thread, Node node) {
  if (!thread.next || thread.next->releases.empty()) return;
  const TaskRef task{process.pid, thread.tid};
  for (const TaskRef& other : those_who_wait_for(thread.next->releases, process))
    if (other != task) gates_.network.connect(node, gates_.node_of_task.at(other));
}

/// Who takes the signals of an operator rests until one comes: by sigwait(3), or by handlers for
/// ever. Who waits for signals for ever without any rests until one ends it. "" for others.
std::string Build::steered_by(const Waiter& waiter) const {
  std::uint64_t taken = waiter.wait.signals;
  if (std::ranges::none_of(kForServices,
                           [&](int signal) { return snapshot::has_signal(taken, signal); }))
    taken = 0;
  const bool for_ever = goes_on_for_ever(waiter.thread) && waiter.thread.signals;
  if (for_ever) taken |= waiter.thread.signals->caught & ~waiter.thread.signals->blocked;
  std::vector<int> steering;
  for (const int signal : kOperators)
    if (snapshot::has_signal(taken, signal)) steering.push_back(signal);
  const std::string who = snapshot::label(snapshot_, waiter.task);
  if (steering.empty()) return for_ever ? "somebody who ends " + who : "";
  return "somebody who sends " + list_of(steering) + " to " + who;
}

/// What the handlers of an operator's signals can do for a blocked thread. Those that end the
/// program do what the signal would have done without them.
void Build::add_handlers(const Process& process, const Thread& thread, Node node) {
  if (!thread.wait || !is_interruptible(thread)) return;
  const TaskRef task{process.pid, thread.tid};
  const std::uint64_t open = thread.signals->caught & ~thread.signals->blocked;
  // Only its owner releases it, and the libc goes back to wait for it.
  const bool repeats = libc_repeats(*thread.wait) && !thread.wait->asked;
  const bool owned =
      repeats && thread.wait->futex.lock.checked &&
      !(snapshot::is_join(thread.wait->futex.lock.kind) && has_parked_thread(process));
  std::vector<int> harmless, helping, unread, jumping, acting, ending;
  for (const int signal : kOperators) {
    if (!snapshot::has_signal(open, signal)) continue;
    const Handler* handler = find_handler(process, signal);
    if (is_default_of_language(process, signal, handler)) continue;
    const bool unknown = handler == nullptr || !handler->effects || handler->effects->may(0);
    // A helper of the library that is woken through its own pipe looks, and waits again.
    const bool serves = thread.activity.operation == snapshot::Operation::Serve;
    const bool channels = !unknown && handler->effects->may(kOnChannels) &&
                          is_awaited(process, handler->effects->fds, serves ? task : TaskRef{});
    // Elsewhere than in the main thread the language only takes note, perhaps with a byte into a
    // pipe, and repeats the call.
    const bool elsewhere = handler != nullptr && !handler->any_thread &&
                           !(channels && handler->effects->may(snapshot::kWrites)) &&
                           thread.tid.value != process.pid.value && language_repeats(thread);
    if (elsewhere) continue;
    if (unknown) {
      (owned ? acting : unread).push_back(signal);
      continue;
    }
    const Effects& effects = *handler->effects;
    // Whom it wakes is known: that is no help for the others.
    const bool only_wakes = !effects.releases.empty();
    if (only_wakes) helped_by(*handler, process);
    const std::uint32_t releases = only_wakes ? 0U : std::uint32_t{snapshot::kReleases};
    // Machine code that ends the program does so on every way through it; a language's may not.
    const bool helps_besides =
        channels || effects.may(releases | snapshot::kForks | snapshot::kEndsThread);
    if (effects.may(snapshot::kExits) && (handler->any_thread || !helps_besides)) continue;
    const bool acts = channels || effects.may((kAnything & ~snapshot::kLeaves) | releases);
    const bool ends = effects.may(snapshot::kLeaves);
    const bool goes_on = language_repeats(thread) || repeats ||
                         (handler->restarts && !snapshot::never_restarts(*thread.wait));
    // Nobody sends what a program takes no note of in order to have its call fail.
    const bool unasked = handler->idle && !acts;
    (!acts && ends && !owned           ? ending
     : !acts && goes_on && !only_wakes ? harmless
     : !acts && (goes_on || owned)     ? jumping
     : owned || unasked                ? acting
                                       : helping)
        .push_back(signal);
  }
  const auto live = [&](Life life, std::string text) {
    gates_.network.connect(add_leaf(life, std::move(text), task), node);
  };
  const std::string of = " of " + snapshot::label(snapshot_, {process.pid, Tid{}});
  if (!harmless.empty())
    live(Life::ReadHandler,
         "no handler for " + list_of(harmless) + of + " helps: their code was read");
  if (!jumping.empty())
    live(Life::ReadHandler, "no handler for " + list_of(jumping) + of + " jumps out of its wait");
  if (!acting.empty())
    live(Life::SignalSent, "nobody sends " + list_of(acting) + of + ", which has a handler for it");
  if (!ending.empty())
    live(Life::EndingHandler, "nobody sends " + list_of(ending) + of + ", which ends by it");
  if (!helping.empty()) live(Life::Handler, "a handler for " + list_of(helping) + of);
  if (!unread.empty())
    live(Life::Handler, "a handler for " + list_of(unread) + of + " (it was not read)");
}

}  // namespace ipcdoctor::graph
