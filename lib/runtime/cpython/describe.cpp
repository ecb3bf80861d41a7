#include "runtime/cpython/describe.h"

#include "base/text.h"
#include "runtime/cpython/describe_out.h"
#include "runtime/cpython/locks.h"

// What the types of `threading`, `queue`, `logging`, `subprocess`, `socketserver` and importlib
// look like inside.
namespace ipcdoctor::runtime::cpython {

void Describer::put_int(Out& out, const char* key, Object object) const {
  if (const auto value = objects_->integer(object)) out.to.numbers[key] = *value;
}

void Describer::put_bool(Out& out, const char* key, Object object) const {
  if (objects_->is_none(object)) {
    out.to.numbers[key] = 0;
  } else if (const auto value = objects_->integer(object)) {
    out.to.numbers[key] = *value != 0 ? 1 : 0;
  }
}

void Describer::put_length(Out& out, const char* key, Object object) const {
  if (const auto value = objects_->length(object)) out.to.numbers[key] = *value;
}

void Describer::put_owner(Out& out, std::uint64_t ident) const {
  if (ident == 0) return;
  out.to.numbers["owner_ident"] = static_cast<std::int64_t>(ident);
  const auto found = tids_->find(ident);
  if (found != tids_->end() && found->second.value != 0)
    out.to.numbers["owner_tid"] = found->second.value;
}

// Whether the thread of a threading.Thread has a thread state here: after fork most have none.
std::optional<bool> Describer::thread_exists(Object thread) const {
  if (thread == 0 || objects_->is_none(thread)) return std::nullopt;
  const auto ident = objects_->integer(at(thread, "_ident"));
  if (!ident) return std::nullopt;
  const bool found = tids_->contains(static_cast<std::uint64_t>(*ident));
  return found || complete_ ? std::optional(found) : std::nullopt;
}

void Describer::lock(Out& out) const {
  if (const auto locked = is_locked(*objects_, out.self)) out.to.numbers["locked"] = *locked;
}

void Describer::rlock(Out& out) const {
  const auto level = objects_->remote().find<std::uint64_t>(objects_->member(out.self, 32));
  const auto owner = objects_->remote().find<std::uint64_t>(objects_->member(out.self, 24));
  if (!level || !owner) return;
  // From 3.14 on the level, which is 0 in the first turn; the owner tells whether it is taken.
  const bool first_turn = objects_->layout().minor >= 14 && *owner != 0;
  const std::uint64_t count = *level + (first_turn ? 1 : 0);
  out.to.numbers["count"] = static_cast<std::int64_t>(count);
  out.to.numbers["locked"] = count != 0 ? 1 : 0;
  if (count != 0) put_owner(out, *owner);
}

void Describer::condition(Out& out) const {
  put_length(out, "waiters", at(out.self, "_waiters"));
  if (const Object held = at(out.self, "_lock"); held != 0)
    out.to.numbers["lock"] = static_cast<std::int64_t>(held);
}

void Describer::event(Out& out) const {
  put_bool(out, "set", at(out.self, "_flag"));
  put_length(out, "waiters", at(at(out.self, "_cond"), "_waiters"));
}

void Describer::semaphore(Out& out) const {
  put_int(out, "value", at(out.self, "_value"));
  put_int(out, "initial", at(out.self, "_initial_value"));  // of a BoundedSemaphore
  put_length(out, "waiters", at(at(out.self, "_cond"), "_waiters"));
}

void Describer::barrier(Out& out) const {
  put_int(out, "parties", at(out.self, "_parties"));
  put_int(out, "arrived", at(out.self, "_count"));
  put_int(out, "state", at(out.self, "_state"));
}

void Describer::thread(Out& out) const {
  put_int(out, "ident", at(out.self, "_ident"));
  put_bool(out, "daemon", at(out.self, "_daemonic"));
  put_bool(out, "started", at(at(out.self, "_started"), "_flag"));
  if (const auto exists = thread_exists(out.self)) {
    out.to.numbers["exists"] = *exists ? 1 : 0;
    const auto stopped = objects_->integer(at(out.self, "_is_stopped"));
    out.to.numbers["alive"] = *exists && stopped.value_or(0) == 0 ? 1 : 0;
    const auto ident = out.to.numbers.find("ident");
    const auto tid = ident == out.to.numbers.end()
                         ? tids_->end()
                         : tids_->find(static_cast<std::uint64_t>(ident->second));
    if (tid != tids_->end() && tid->second.value != 0) out.to.numbers["tid"] = tid->second.value;
  }
  if (const auto name = objects_->string(at(out.self, "_name"), 128))
    out.to.texts["thread"] = escape_untrusted(*name);
}

void Describer::queue(Out& out) const {
  put_int(out, "maxsize", at(out.self, "maxsize"));
  put_length(out, "size", at(out.self, "queue"));
  put_int(out, "unfinished", at(out.self, "unfinished_tasks"));
  put_length(out, "getters", at(at(out.self, "not_empty"), "_waiters"));
  put_length(out, "putters", at(at(out.self, "not_full"), "_waiters"));
  put_length(out, "joiners", at(at(out.self, "all_tasks_done"), "_waiters"));
  if (const Object shutdown = at(out.self, "is_shutdown"); shutdown != 0)
    put_bool(out, "shutdown", shutdown);
}

void Describer::future(Out& out) const {
  if (const auto state = objects_->string(at(out.self, "_state"), 32))
    out.to.texts["state"] = escape_untrusted(*state);
  put_length(out, "waiters", at(at(out.self, "_condition"), "_waiters"));
}

void Describer::thread_executor(Out& out) const {
  put_int(out, "max_workers", at(out.self, "_max_workers"));
  put_bool(out, "shutdown", at(out.self, "_shutdown"));
  const Object broken = at(out.self, "_broken");
  if (broken != 0) out.to.numbers["broken"] = objects_->integer(broken).value_or(1) != 0 ? 1 : 0;
  put_int(out, "idle", at(at(out.self, "_idle_semaphore"), "_value"));
  const Object threads = at(out.self, "_threads");
  put_length(out, "threads", threads);
  std::int64_t exist = 0, told = 0;
  for (const Object thread : objects_->items(threads, 1024)) {
    const auto exists = thread_exists(thread);
    told += exists ? 1 : 0;
    exist += exists && *exists ? 1 : 0;
  }
  if (objects_->length(threads) == told) out.to.numbers["threads_exist"] = exist;
  const Object work = at(out.self, "_work_queue");
  if (types_->is(work, "queue.SimpleQueue"))
    out.to.numbers["queued"] = static_cast<std::int64_t>(objects_->simple_queue_size(work));
}

void Describer::popen(Out& out) const {
  put_int(out, "pid", at(out.self, "pid"));
  put_int(out, "returncode", at(out.self, "returncode"));
  put_file_fd(out, "stdin_fd", at(out.self, "stdin"));
  put_file_fd(out, "stdout_fd", at(out.self, "stdout"));
  put_file_fd(out, "stderr_fd", at(out.self, "stderr"));
}

void Describer::import_lock(Out& out) const {
  if (const auto name = objects_->string(at(out.self, "name"), 256))
    out.to.texts["module"] = escape_untrusted(*name);
  if (const auto owner = objects_->integer(at(out.self, "owner")))
    put_owner(out, static_cast<std::uint64_t>(*owner));
  const Object count = at(out.self, "count");  // 3.12 and later: a list with an item per acquire
  if (const auto n = objects_->integer(count)) out.to.numbers["count"] = *n;
  put_length(out, "count", count);
}

void Describer::handler(Out& out) const {
  const Object held = at(out.self, "lock");
  if (held == 0) return;
  out.to.numbers["lock"] = static_cast<std::int64_t>(held);
  if (types_->is(held, "threading.RLock")) {
    Out inner{held, out.to};
    rlock(inner);
  }
}

void Describer::server(Out& out) const {
  put_length(out, "threads", at(out.self, "_threads"));
  put_bool(out, "shutdown_requested", at(out.self, "_BaseServer__shutdown_request"));
}

snapshot::RuntimeObject Describer::describe(const Reached& what) const {
  snapshot::RuntimeObject object;
  object.type = what.type;
  object.name = escape_untrusted(what.name);
  object.address = RemoteAddr{what.object};
  object.texts["class"] = escape_untrusted(objects_->class_name(what.object));
  using Method = void (Describer::*)(Out&) const;
  static const std::unordered_map<std::string_view, Method> kMethods = {
      {"threading.Lock", &Describer::lock},
      {"threading.RLock", &Describer::rlock},
      {"threading.Condition", &Describer::condition},
      {"threading.Event", &Describer::event},
      {"threading.Semaphore", &Describer::semaphore},
      {"threading.Barrier", &Describer::barrier},
      {"threading.Thread", &Describer::thread},
      {"queue.Queue", &Describer::queue},
      {"multiprocessing.Queue", &Describer::mp_queue},
      {"multiprocessing.JoinableQueue", &Describer::mp_queue},
      {"multiprocessing.SimpleQueue", &Describer::mp_simple_queue},
      {"multiprocessing.SemLock", &Describer::sem_lock},
      {"multiprocessing.Lock", &Describer::mp_lock},
      {"multiprocessing.RLock", &Describer::mp_lock},
      {"multiprocessing.Semaphore", &Describer::mp_lock},
      {"multiprocessing.BoundedSemaphore", &Describer::mp_lock},
      {"multiprocessing.Condition", &Describer::mp_condition},
      {"multiprocessing.Event", &Describer::mp_event},
      {"multiprocessing.Barrier", &Describer::mp_barrier},
      {"multiprocessing.Process", &Describer::process},
      {"multiprocessing.Connection", &Describer::connection},
      {"multiprocessing.Listener", &Describer::listener},
      {"multiprocessing.Pool", &Describer::pool},
      {"concurrent.futures.Future", &Describer::future},
      {"ThreadPoolExecutor", &Describer::thread_executor},
      {"ProcessPoolExecutor", &Describer::process_executor},
      {"Manager.proxy", &Describer::proxy},
      {"subprocess.Popen", &Describer::popen},
      {"import lock", &Describer::import_lock},
      {"logging.Handler", &Describer::handler},
      {"socketserver.Server", &Describer::server},
  };
  if (const auto method = kMethods.find(what.type); method != kMethods.end()) {
    Out out{what.object, object};
    (this->*method->second)(out);
  }
  return object;
}

}  // namespace ipcdoctor::runtime::cpython
