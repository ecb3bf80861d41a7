#include "runtime/cpython/describe.h"

#include "base/text.h"
#include "runtime/cpython/describe_out.h"
#include "runtime/cpython/library_words.h"

// What the types of `threading`, `queue`, `subprocess` and the executors of threads look like
// inside.
namespace ipcdoctor::runtime::cpython {

using snapshot::Number;
using snapshot::Text;

void Describer::put_int(Out& out, Number key, Object object) const {
  if (const auto value = objects_->integer(object)) out.to.numbers.set(key, *value);
}

void Describer::put_bool(Out& out, Number key, Object object) const {
  if (objects_->is_none(object)) {
    out.to.numbers.set(key, 0);
  } else if (const auto value = objects_->integer(object)) {
    out.to.numbers.set(key, *value != 0 ? 1 : 0);
  }
}

void Describer::put_length(Out& out, Number key, Object object) const {
  if (const auto value = objects_->length(object)) out.to.numbers.set(key, *value);
}

void Describer::put_exists(Out& out, Number key, Object thread) const {
  if (const auto exists = thread_exists(thread)) out.to.numbers.set(key, *exists ? 1 : 0);
}

// Whether the thread of a threading.Thread has a thread state here: after fork most have none.
std::optional<bool> Describer::thread_exists(Object thread) const {
  if (thread == 0 || objects_->is_none(thread)) return std::nullopt;
  const auto ident = objects_->integer(at(thread, "_ident"));
  if (!ident) return std::nullopt;
  const bool found = tids_->contains(static_cast<std::uint64_t>(*ident));
  return found || complete_ ? std::optional(found) : std::nullopt;
}

void Describer::event(Out& out) const {
  put_bool(out, Number::Set, at(out.self, "_flag"));
}

void Describer::semaphore(Out& out) const {
  put_int(out, Number::Initial, at(out.self, "_initial_value"));  // of a BoundedSemaphore
}

void Describer::barrier(Out& out) const {
  put_int(out, Number::Parties, at(out.self, "_parties"));
}

void Describer::thread(Out& out) const {
  put_bool(out, Number::Started, at(at(out.self, "_started"), "_flag"));
  if (const auto exists = thread_exists(out.self)) {
    out.to.numbers.set(Number::Exists, *exists ? 1 : 0);
    const auto stopped = objects_->integer(at(out.self, "_is_stopped"));
    out.to.numbers.set(Number::Alive, *exists && stopped.value_or(0) == 0 ? 1 : 0);
    const auto ident = objects_->integer(at(out.self, "_ident"));
    const auto tid = ident ? tids_->find(static_cast<std::uint64_t>(*ident)) : tids_->end();
    if (tid != tids_->end() && tid->second.value != 0)
      out.to.numbers.set(Number::Tid, tid->second.value);
  }
  if (const auto name = objects_->string(at(out.self, "_name"), 128))
    out.to.texts.set(Text::Thread, escape_untrusted(*name));
}

void Describer::queue(Out& out) const {
  put_int(out, Number::Unfinished, at(out.self, "unfinished_tasks"));
}

void Describer::thread_executor(Out& out) const {
  put_bool(out, Number::Shutdown, at(out.self, "_shutdown"));
  const Object threads = at(out.self, "_threads");
  put_length(out, Number::Threads, threads);
  std::int64_t exist = 0, told = 0;
  for (const Object thread : objects_->items(threads, 1024)) {
    const auto exists = thread_exists(thread);
    told += exists ? 1 : 0;
    exist += exists && *exists ? 1 : 0;
  }
  if (objects_->length(threads) == told) out.to.numbers.set(Number::ThreadsExist, exist);
  const Object work = at(out.self, "_work_queue");
  if (types_->is(work, "queue.SimpleQueue"))
    out.to.numbers.set(Number::Queued,
                       static_cast<std::int64_t>(objects_->simple_queue_size(work)));
}

void Describer::popen(Out& out) const {
  put_int(out, Number::Pid, at(out.self, "pid"));
  put_int(out, Number::Exitcode, at(out.self, "returncode"));
  put_file_fd(out, Number::StdinFd, at(out.self, "stdin"));
}

snapshot::RuntimeObject Describer::describe(const Reached& what) const {
  snapshot::RuntimeObject object;
  object.type = what.type;
  object.name = escape_untrusted(what.name);
  object.address = RemoteAddr{what.object};
  using Method = void (Describer::*)(Out&) const;
  static const std::unordered_map<std::string_view, Method> kMethods = {
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
      {"multiprocessing.Barrier", &Describer::barrier},
      {"multiprocessing.Process", &Describer::process},
      {"multiprocessing.Connection", &Describer::connection},
      {"multiprocessing.Listener", &Describer::listener},
      {"multiprocessing.Pool", &Describer::pool},
      {"ThreadPoolExecutor", &Describer::thread_executor},
      {"ProcessPoolExecutor", &Describer::process_executor},
      {"subprocess.Popen", &Describer::popen},
  };
  if (const auto method = kMethods.find(what.type); method != kMethods.end()) {
    Out out{what.object, object};
    (this->*method->second)(out);
  }
  add_words(object);
  return object;
}

}  // namespace ipcdoctor::runtime::cpython
