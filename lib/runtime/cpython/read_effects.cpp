#include <signal.h>

#include <algorithm>
#include <set>

#include "base/text.h"
#include "runtime/cpython/code_reader.h"
#include "runtime/cpython/interpreter_impl.h"
#include "runtime/cpython/signal_table.h"

namespace ipcdoctor::runtime::cpython {
namespace {

using snapshot::kUnknown;
using snapshot::kWrites;

void add_fd(snapshot::Effects& effects, Result<int> fd) {
  if (fd && *fd < 0) return;
  // An empty list stands for any descriptor once there is a kWrites.
  constexpr std::uint32_t kOfDescriptors = kWrites | snapshot::kReads | snapshot::kCloses;
  const bool any = (effects.mask & kOfDescriptors) != 0 && effects.fds.empty();
  effects.mask |= kWrites;
  if (!fd || any) {
    effects.fds.clear();
  } else if (std::ranges::find(effects.fds, *fd) == effects.fds.end()) {
    effects.fds.insert(std::ranges::lower_bound(effects.fds, *fd), *fd);
  }
}

snapshot::Handler dump_handler(const SignalTable::Dump& dump) {
  snapshot::Effects effects;
  effects.mask = kWrites;
  effects.fds = {dump.fd};
  effects.summary = "writes the stacks of the threads";
  if (dump.chains) {
    effects.mask |= kUnknown;
    effects.unknown = "runs the handler from before";
  }
  snapshot::Handler handler;
  handler.signal = dump.signal;
  handler.name = "faulthandler";
  handler.effects = effects;
  return handler;
}

/// The value of an attribute that its class keeps in a slot; 0: there is none.
Object slot_of(const Objects& objects, Object object, std::string_view name) {
  constexpr std::uint64_t kTypeDict = 264, kDescrMember = 40, kMemberOffset = 16;
  const Remote& remote = objects.remote();
  const Object type = objects.type_of(object);
  const Object slot =
      type == 0 ? 0 : objects.entry(remote.pointer(objects.member(type, kTypeDict)), name);
  if (slot == 0 || objects.type_name(slot) != "member_descriptor") return 0;
  const std::uint64_t member = remote.pointer(objects.member(slot, kDescrMember));
  const std::uint64_t offset = member == 0 ? 0 : remote.word(member + kMemberOffset);
  return offset == 0 || offset > 4096 ? 0 : remote.pointer(object + offset);
}

/// What a loop of asyncio calls for a signal: add_signal_handler() keeps it in a Handle.
struct Callback {
  Object callable = 0;
  std::vector<Object> arguments;
};
Callback callback_of(const Objects& objects, Object loop, int signal) {
  Object handle = 0;
  objects.each_entry(objects.attribute(loop, "_signal_handlers"), [&](Object key, Object value) {
    if (objects.integer(key) == signal) handle = value;
    return handle == 0;
  });
  if (handle == 0 || objects.type_name(handle) != "Handle") return {};
  const Object arguments = slot_of(objects, handle, "_args");
  const auto size = objects.length(arguments);
  Callback out{slot_of(objects, handle, "_callback"), objects.items(arguments)};
  if (!size || static_cast<std::size_t>(*size) != out.arguments.size()) out.callable = 0;
  return out;
}

}  // namespace

bool Interpreter::Impl::comes_back(Tid tid) {
  constexpr std::size_t kMaxOwn = 3;
  const ThreadState* state = state_of(tid);
  if (state == nullptr) return false;
  CodeReader reader(objects, runtime, space);
  std::size_t own = 0;
  for (const PyFrame& frame : state->frames) {
    if (frame.library) continue;
    if (own++ == kMaxOwn) break;
    if (reader.comes_back(frame)) return true;
  }
  return false;
}

// The threads and the handlers are read together, as each may assign what the others call.
CodeEffects Interpreter::Impl::read_effects(std::span<const Tid> alive, std::span<const Tid> others,
                                            RemoteAddr main_futex) {
  CodeEffects out;
  CodeReader reader(objects, runtime, space);
  std::vector<Tid> read;
  bool all = true;
  const auto add = [&](Tid tid, bool is_alive) {
    const ThreadState* state = state_of(tid);
    if (state == nullptr) return;
    const bool readable = reader.can_read(state->address) && !state->awaits;
    all &= readable || !is_alive;
    if (readable) {
      read.push_back(tid);
      reader.add_thread(state->address, state->frames, tid.value == space.pid.value, is_alive);
    } else {
      out.threads.emplace_back(tid, Error{Cause::Unsupported, 0, "read what its code does next"});
    }
  };
  for (const Tid tid : alive) add(tid, true);
  for (const Tid tid : others) add(tid, false);
  auto table = read_signal_table(objects, runtime, space, modules);
  // asyncio.run()'s own handler ends the main task, as KeyboardInterrupt ends a program: it counts
  // as the default.
  if (table) {
    std::erase_if(table->handlers, [&](const auto& handler) {
      return handler.first == SIGINT &&
             reader.is_of_library(handler.second, "asyncio/runners.py", "Runner._on_sigint");
    });
  }
  const ThreadState* main = state_of(Tid{space.pid.value});
  if (main != nullptr) reader.hold(main->frames);
  const bool handlers_readable = main != nullptr && reader.can_read(main->address);
  if (main != nullptr && main_futex.value != 0) {
    const LockObject lock = lock_of(main, main_futex.value);
    if (lock.type == "threading.Lock" || lock.type == "threading.RLock")
      reader.await_lock(lock.object);
  }
  std::set<int> scheduled;  // signals for which the main thread's event loop calls something
  if (table && handlers_readable) {
    const Object loop = local_of(*main, "run_forever", "self");
    for (auto& [signal, callable] : table->handlers) {
      const bool by_loop =
          reader.is_of_library(callable, "asyncio/unix_events.py", "_sighandler_noop");
      Callback callback;
      if (by_loop && loop != 0) callback = callback_of(objects, loop, signal);
      if (callback.callable == 0) {
        reader.add_handler(callable);
        continue;
      }
      scheduled.insert(signal);
      callable = callback.callable;
      reader.add_callback(callable, std::move(callback.arguments));
    }
  }

  auto effects = reader.read();
  for (std::size_t i = 0; i < read.size(); ++i) {
    if (!all && (effects[i].mask & kUnknown) == 0) {
      effects[i].mask |= kUnknown;
      effects[i].unknown = "another thread, whose code was not read, may change what it calls";
    }
    out.threads.emplace_back(read[i], std::move(effects[i]));
  }
  if (all) {
    auto polling = reader.read_polling();
    for (std::size_t i = 0; i < read.size(); ++i)
      if (polling[i]) out.polling.emplace_back(read[i], *std::move(polling[i]));
  }
  if (!table) {
    out.handlers = table.error();
    return out;
  }
  std::vector<snapshot::Handler> handlers;
  std::size_t next = read.size();
  for (const auto& [signal, callable] : table->handlers) {
    snapshot::Handler handler;
    handler.signal = signal;
    handler.any_thread = false;
    handler.name = escape_untrusted(reader.name_of(callable));
    if (handlers_readable) {
      // The loop that reads from there does nothing else with it.
      if (!scheduled.contains(signal)) add_fd(effects[next], table->wakeup_fd);
      handler.effects = std::move(effects[next++]);
    } else {
      handler.effects = Error{Cause::Unsupported, 0, "read what a signal handler does"};
    }
    handlers.push_back(std::move(handler));
  }
  for (const SignalTable::Dump& dump : table->dumps) {
    // The one that was installed last runs: which of the two is not known.
    const auto twin = std::ranges::find(handlers, dump.signal, &snapshot::Handler::signal);
    if (twin == handlers.end())
      handlers.push_back(dump_handler(dump));
    else if (twin->effects)
      add_fd(*twin->effects, dump.fd);
  }
  std::ranges::stable_sort(handlers, {}, &snapshot::Handler::signal);
  out.handlers = std::move(handlers);
  return out;
}

}  // namespace ipcdoctor::runtime::cpython
