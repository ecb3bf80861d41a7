#include "base/text.h"
#include "runtime/cpython/describe.h"
#include "runtime/cpython/describe_out.h"

// What the types of multiprocessing and of the process pools look like inside.
namespace ipcdoctor::runtime::cpython {

using snapshot::Number;
using snapshot::Text;

namespace {

// _multiprocessing.SemLock (Modules/_multiprocessing/semaphore.c, 3.8 to 3.13) and glibc's sem_t
// behind its handle.
constexpr std::uint64_t kHandle = 16, kCount = 32, kMaxValue = 36, kKind = 40, kName = 48;
constexpr std::size_t kMaxWorkers = 256;

}  // namespace

// A pipe or socket end of multiprocessing.connection.
void Describer::put_fd(Out& out, Number key, Object connection) const {
  const auto fd = objects_->integer(at(connection, "_handle"));
  if (fd && *fd >= 0) out.to.numbers.set(key, *fd);
}

// A file object of io: TextIOWrapper -> buffer -> raw FileIO, whose fd follows the object's header.
void Describer::put_file_fd(Out& out, Number key, Object file) const {
  const Remote& remote = objects_->remote();
  for (int depth = 0; file != 0 && depth < 3; ++depth) {
    const std::string type = objects_->type_name(file);
    if (type == "_io.TextIOWrapper") {
      file = remote.pointer(objects_->member(file, 32));
    } else if (type.starts_with("_io.Buffered")) {
      file = remote.pointer(objects_->member(file, 16));
    } else {
      const auto fd = remote.find<int>(objects_->member(file, 16));
      if (type == "_io.FileIO" && fd && *fd >= 0) out.to.numbers.set(key, *fd);
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

void Describer::sem_lock(Out& out) const {
  const Remote& remote = objects_->remote();
  const std::uint64_t handle = remote.pointer(objects_->member(out.self, kHandle));
  put<int>(out, Number::Kind, objects_->member(out.self, kKind));
  put<int>(out, Number::Maxvalue, objects_->member(out.self, kMaxValue));
  put<int>(out, Number::Count, objects_->member(out.self, kCount));
  if (handle != 0) {
    out.to.numbers.set(Number::Handle, static_cast<std::int64_t>(handle));
    put<std::uint32_t>(out, Number::Value, handle);
  }
  const std::uint64_t name = remote.word(objects_->member(out.self, kName));
  if (name != 0) out.to.texts.set(Text::Semaphore, escape_untrusted(remote.text(name, 64)));
}

void Describer::mp_lock(Out& out) const {
  const Object sem = at(out.self, "_semlock");
  if (!types_->is(sem, "multiprocessing.SemLock")) return;
  Out inner{sem, out.to};
  sem_lock(inner);
  const std::int64_t* slots = out.to.numbers.find(Number::Maxvalue);
  if (out.to.type == "multiprocessing.BoundedSemaphore" && slots != nullptr)
    out.to.numbers.set(Number::Initial, *slots);
}

void Describer::mp_queue(Out& out) const {
  mp_simple_queue(out);
  if (const Object feeder = at(out.self, "_thread"); feeder != 0) {
    out.to.numbers.set(Number::FeederStarted, objects_->is_none(feeder) ? 0 : 1);
    put_exists(out, Number::FeederExists, feeder);
  }
  if (const auto n = semaphore_value(at(out.self, "_unfinished_tasks")))
    out.to.numbers.set(Number::Unfinished, *n);
}

void Describer::mp_simple_queue(Out& out) const {
  put_fd(out, Number::ReaderFd, at(out.self, "_reader"));
  put_fd(out, Number::WriterFd, at(out.self, "_writer"));
}

void Describer::process(Out& out) const {
  const Object popen_object = at(out.self, "_popen");
  put_int(out, Number::Pid, at(popen_object, "pid"));
  put_int(out, Number::Exitcode, at(popen_object, "returncode"));
  put_int(out, Number::ParentPid, at(out.self, "_parent_pid"));
  if (const auto name = objects_->string(at(out.self, "_name"), 128))
    out.to.texts.set(Text::Process, escape_untrusted(*name));
}

void Describer::connection(Out& out) const {
  put_fd(out, Number::HandleFd, out.self);
}

void Describer::listener(Out& out) const {
  // socket.socket is a subclass of _socket.socket, whose fd follows the header.
  const Object socket = at(at(out.self, "_listener"), "_socket");
  const auto fd =
      socket == 0 ? std::nullopt : objects_->remote().find<int>(objects_->member(socket, 16));
  if (fd && *fd >= 0) out.to.numbers.set(Number::SocketFd, *fd);
}

void Describer::put_workers(Out& out, const std::vector<Object>& processes) const {
  std::int64_t dead = 0, newest = 0;
  for (const Object process_object : processes) {
    // Lib/multiprocessing/process.py: the number of a child of the main process among its siblings
    const std::vector<Object> identity = objects_->items(at(process_object, "_identity"), 8);
    if (!identity.empty())
      newest = std::max(newest, objects_->integer(identity.back()).value_or(0));
    const Object popen_object = at(process_object, "_popen");
    if (objects_->integer(at(popen_object, "returncode"))) ++dead;
    if (const auto pid = objects_->integer(at(popen_object, "pid")))
      out.to.worker_pids.push_back(*pid);
    put_int(out, Number::ParentPid, at(process_object, "_parent_pid"));
  }
  out.to.numbers.set(Number::Workers, static_cast<std::int64_t>(processes.size()));
  out.to.numbers.set(Number::DeadWorkers, dead);
  out.to.numbers.set(Number::StartedWorkers, newest);
}

void Describer::pool(Out& out) const {
  if (const Object workers = at(out.self, "_pool"); workers != 0)
    put_workers(out, objects_->items(workers, kMaxWorkers));
  put_int(out, Number::TasksEach, at(out.self, "_maxtasksperchild"));
  put_exists(out, Number::WorkerHandlerExists, at(out.self, "_worker_handler"));
  put_exists(out, Number::TaskHandlerExists, at(out.self, "_task_handler"));
  put_exists(out, Number::ResultHandlerExists, at(out.self, "_result_handler"));
  if (objects_->is_a(out.self, "ThreadPool")) out.to.reach = snapshot::Reach::Memory;
}

void Describer::process_executor(Out& out) const {
  put_length(out, Number::Pending, at(out.self, "_pending_work_items"));
  std::vector<Object> workers;
  const Object processes = at(out.self, "_processes");
  objects_->each_entry(
      processes,
      [&](Object, Object process_object) {
        workers.push_back(process_object);
        return true;
      },
      kMaxWorkers);
  if (objects_->dict_size(processes)) put_workers(out, workers);
  Object manager = at(out.self, "_executor_manager_thread");
  if (manager == 0) manager = at(out.self, "_queue_management_thread");  // 3.8
  put_exists(out, Number::ManagerExists, manager);
}

}  // namespace ipcdoctor::runtime::cpython
