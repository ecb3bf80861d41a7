#include "base/text.h"
#include "runtime/cpython/describe.h"
#include "runtime/cpython/describe_out.h"

// What the types of multiprocessing and of the process pools look like inside.
namespace ipcdoctor::runtime::cpython {
namespace {

// _multiprocessing.SemLock (Modules/_multiprocessing/semaphore.c, 3.8 to 3.13) and glibc's sem_t
// behind its handle.
constexpr std::uint64_t kHandle = 16, kCount = 32, kMaxValue = 36, kKind = 40, kName = 48;
constexpr std::size_t kMaxWorkers = 256;

}  // namespace

// A pipe or socket end of multiprocessing.connection.
void Describer::put_fd(Out& out, const char* key, Object connection) const {
  const auto fd = objects_->integer(at(connection, "_handle"));
  if (fd && *fd >= 0) out.to.numbers[key] = *fd;
}

// A file object of io: TextIOWrapper -> buffer -> raw FileIO, whose fd follows the object's header.
void Describer::put_file_fd(Out& out, const char* key, Object file) const {
  const Remote& remote = objects_->remote();
  for (int depth = 0; file != 0 && depth < 3; ++depth) {
    const std::string type = objects_->type_name(file);
    if (type == "_io.TextIOWrapper") {
      file = remote.pointer(objects_->member(file, 32));
    } else if (type.starts_with("_io.Buffered")) {
      file = remote.pointer(objects_->member(file, 16));
    } else {
      const auto fd = remote.find<int>(objects_->member(file, 16));
      if (type == "_io.FileIO" && fd && *fd >= 0) out.to.numbers[key] = *fd;
      return;
    }
  }
}

// The value of the semaphore behind a multiprocessing lock: the low half of the sem_t (glibc 2.21
// and later, x86-64).
std::optional<std::int64_t> Describer::semaphore_value(Object lock) const {
  const Object sem = types_->is(lock, "multiprocessing.SemLock") ? lock : at(lock, "_semlock");
  if (!types_->is(sem, "multiprocessing.SemLock")) return std::nullopt;
  const std::uint64_t handle = objects_->remote().pointer(objects_->member(sem, kHandle));
  if (handle == 0) return std::nullopt;
  return objects_->remote().find<std::uint32_t>(handle);
}

void Describer::put_sem(Out& out, const std::string& prefix, Object lock) const {
  const auto value = semaphore_value(lock);
  if (!value) return;
  const Object sem = types_->is(lock, "multiprocessing.SemLock") ? lock : at(lock, "_semlock");
  out.to.numbers[prefix + "_value"] = *value;
  put<int>(out, prefix + "_count", objects_->member(sem, kCount));
  put<std::int64_t>(out, prefix, objects_->member(sem, kHandle));
}

void Describer::sem_lock(Out& out) const {
  const Remote& remote = objects_->remote();
  const std::uint64_t handle = remote.pointer(objects_->member(out.self, kHandle));
  put<int>(out, "kind", objects_->member(out.self, kKind));
  put<int>(out, "maxvalue", objects_->member(out.self, kMaxValue));
  put<int>(out, "count", objects_->member(out.self, kCount));
  if (handle != 0) {
    out.to.numbers["handle"] = static_cast<std::int64_t>(handle);
    put<std::uint32_t>(out, "value", handle);
    put<std::uint32_t>(out, "waiters", handle + 4);
  }
  const std::uint64_t name = remote.word(objects_->member(out.self, kName));
  if (name != 0) out.to.texts["semaphore"] = escape_untrusted(remote.text(name, 64));
}

void Describer::mp_lock(Out& out) const {
  const Object sem = at(out.self, "_semlock");
  if (!types_->is(sem, "multiprocessing.SemLock")) return;
  Out inner{sem, out.to};
  sem_lock(inner);
}

void Describer::mp_condition(Out& out) const {
  put_sem(out, "lock", at(out.self, "_lock"));
  if (const auto n = semaphore_value(at(out.self, "_sleeping_count")))
    out.to.numbers["sleeping"] = *n;
  if (const auto n = semaphore_value(at(out.self, "_woken_count"))) out.to.numbers["woken"] = *n;
  if (const auto n = semaphore_value(at(out.self, "_wait_semaphore")))
    out.to.numbers["wait_value"] = *n;
}

void Describer::mp_event(Out& out) const {
  if (const auto n = semaphore_value(at(out.self, "_flag")))
    out.to.numbers["set"] = *n != 0 ? 1 : 0;
  Out inner{at(out.self, "_cond"), out.to};
  if (inner.self != 0) mp_condition(inner);
}

void Describer::mp_barrier(Out& out) const {
  put_int(out, "parties", at(out.self, "_parties"));
  // state and count are two ints of shared memory behind a memoryview (PyMemoryViewObject.view.buf
  // at 56).
  const Object view = at(out.self, "_array");
  const std::uint64_t data = view == 0 ? 0 : objects_->remote().word(objects_->member(view, 56));
  if (data != 0 && objects_->type_name(view) == "memoryview") {
    put<int>(out, "state", data);
    put<int>(out, "arrived", data + 4);
  }
}

void Describer::mp_queue(Out& out) const {
  put_int(out, "maxsize", at(out.self, "_maxsize"));
  put_fd(out, "reader_fd", at(out.self, "_reader"));
  put_fd(out, "writer_fd", at(out.self, "_writer"));
  put_length(out, "buffered", at(out.self, "_buffer"));
  put_bool(out, "closed", at(out.self, "_closed"));
  put_int(out, "opid", at(out.self, "_opid"));
  put_sem(out, "rlock", at(out.self, "_rlock"));
  put_sem(out, "wlock", at(out.self, "_wlock"));
  put_sem(out, "sem", at(out.self, "_sem"));
  const auto maxsize = out.to.numbers.find("maxsize");
  const auto free = out.to.numbers.find("sem_value");
  if (free != out.to.numbers.end()) {
    out.to.numbers["free_slots"] = free->second;
    if (maxsize != out.to.numbers.end()) out.to.numbers["items"] = maxsize->second - free->second;
    out.to.numbers.erase("sem_value");
  }
  if (const Object feeder = at(out.self, "_thread"); feeder != 0) {
    out.to.numbers["feeder_started"] = objects_->is_none(feeder) ? 0 : 1;
    if (const auto exists = thread_exists(feeder))
      out.to.numbers["feeder_exists"] = *exists ? 1 : 0;
  }
  if (const auto n = semaphore_value(at(out.self, "_unfinished_tasks")))
    out.to.numbers["unfinished"] = *n;
}

void Describer::mp_simple_queue(Out& out) const {
  put_fd(out, "reader_fd", at(out.self, "_reader"));
  put_fd(out, "writer_fd", at(out.self, "_writer"));
  put_sem(out, "rlock", at(out.self, "_rlock"));
  put_sem(out, "wlock", at(out.self, "_wlock"));
}

void Describer::process(Out& out) const {
  const Object popen_object = at(out.self, "_popen");
  put_int(out, "pid", at(popen_object, "pid"));
  put_int(out, "exitcode", at(popen_object, "returncode"));
  put_int(out, "parent_pid", at(out.self, "_parent_pid"));
  put_int(out, "sentinel_fd", at(out.self, "_sentinel"));
  put_bool(out, "daemon", objects_->entry(at(out.self, "_config"), "daemon"));
  if (const auto name = objects_->string(at(out.self, "_name"), 128))
    out.to.texts["process"] = escape_untrusted(*name);
}

void Describer::connection(Out& out) const {
  put_fd(out, "handle_fd", out.self);
  put_bool(out, "readable", at(out.self, "_readable"));
  put_bool(out, "writable", at(out.self, "_writable"));
}

void Describer::listener(Out& out) const {
  const Object key = at(out.self, "_authkey");
  if (key != 0) out.to.numbers["authenticates"] = objects_->is_none(key) ? 0 : 1;
  // socket.socket is a subclass of _socket.socket, whose fd follows the header.
  const Object socket = at(at(out.self, "_listener"), "_socket");
  const auto fd =
      socket == 0 ? std::nullopt : objects_->remote().find<int>(objects_->member(socket, 16));
  if (fd && *fd >= 0) out.to.numbers["socket_fd"] = *fd;
}

void Describer::put_pids(Out& out, const std::vector<Object>& processes) const {
  std::int64_t dead = 0;
  std::size_t n = 0;
  for (const Object process_object : processes) {
    const Object popen_object = at(process_object, "_popen");
    if (objects_->integer(at(popen_object, "returncode"))) ++dead;
    if (const auto pid = objects_->integer(at(popen_object, "pid"))) {
      out.to.numbers["worker_pid_" + std::to_string(n++)] = *pid;
    }
  }
  out.to.numbers["workers"] = static_cast<std::int64_t>(processes.size());
  out.to.numbers["dead_workers"] = dead;
}

void Describer::pool(Out& out) const {
  put_int(out, "processes", at(out.self, "_processes"));
  if (const Object workers = at(out.self, "_pool"); workers != 0)
    put_pids(out, objects_->items(workers, kMaxWorkers));
  put_length(out, "jobs", at(out.self, "_cache"));
  if (const auto state = objects_->string(at(out.self, "_state"), 16))
    out.to.texts["state"] = escape_untrusted(*state);
  const struct {
    const char *attribute, *key;
  } helpers[] = {{"_worker_handler", "worker_handler_exists"},
                 {"_task_handler", "task_handler_exists"},
                 {"_result_handler", "result_handler_exists"}};
  for (const auto& helper : helpers) {
    if (const auto exists = thread_exists(at(out.self, helper.attribute)))
      out.to.numbers[helper.key] = *exists ? 1 : 0;
  }
  out.to.numbers["is_thread_pool"] = objects_->is_a(out.self, "ThreadPool") ? 1 : 0;
  const Object in = at(out.self, "_inqueue");
  const Object results = at(out.self, "_outqueue");
  put_fd(out, "inqueue_reader_fd", at(in, "_reader"));
  put_fd(out, "inqueue_writer_fd", at(in, "_writer"));
  put_fd(out, "outqueue_reader_fd", at(results, "_reader"));
  put_fd(out, "outqueue_writer_fd", at(results, "_writer"));
  put_sem(out, "inqueue_rlock", at(in, "_rlock"));
  put_sem(out, "outqueue_wlock", at(results, "_wlock"));
}

void Describer::process_executor(Out& out) const {
  put_int(out, "max_workers", at(out.self, "_max_workers"));
  put_bool(out, "shutdown", at(out.self, "_shutdown_thread"));
  const Object broken = at(out.self, "_broken");
  if (broken != 0) out.to.numbers["broken"] = objects_->integer(broken).value_or(1) != 0 ? 1 : 0;
  put_length(out, "pending", at(out.self, "_pending_work_items"));
  std::vector<Object> workers;
  const Object processes = at(out.self, "_processes");
  objects_->each_entry(
      processes,
      [&](Object, Object process_object) {
        workers.push_back(process_object);
        return true;
      },
      kMaxWorkers);
  if (objects_->dict_size(processes)) put_pids(out, workers);
  Object manager = at(out.self, "_executor_manager_thread");
  if (manager == 0) manager = at(out.self, "_queue_management_thread");  // 3.8
  if (const auto exists = thread_exists(manager))
    out.to.numbers["manager_exists"] = *exists ? 1 : 0;
  const Object calls = at(out.self, "_call_queue");
  const Object results = at(out.self, "_result_queue");
  put_fd(out, "call_reader_fd", at(calls, "_reader"));
  put_fd(out, "call_writer_fd", at(calls, "_writer"));
  put_fd(out, "result_reader_fd", at(results, "_reader"));
  put_fd(out, "result_writer_fd", at(results, "_writer"));
}

void Describer::proxy(Out& out) const {
  const Object token = at(out.self, "_token");
  if (const auto address = objects_->string(at(token, "address"), 256))
    out.to.texts["address"] = escape_untrusted(*address);
  if (const auto kind = objects_->string(at(token, "typeid"), 64))
    out.to.texts["typeid"] = escape_untrusted(*kind);
}

}  // namespace ipcdoctor::runtime::cpython
