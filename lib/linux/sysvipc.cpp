#include "linux/sysvipc.h"

#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>

#include <cerrno>
#include <cstring>

#include "linux/deputy.h"
#include "linux/namespaces.h"
#include "linux/text_scan.h"

namespace ipcdoctor::linux {
namespace {

constexpr unsigned long kMaxSemaphores = 32000;  // SEMMSL, uapi/linux/sem.h

/// The caller of semctl(2) defines it.
union SemctlArgument {
  int value;
  struct semid_ds* status;
  unsigned short* values;
};

/// An identifier that was removed in the meantime is EINVAL or EIDRM.
Error error_of(int saved, const std::string& what) {
  const bool gone = saved == EINVAL || saved == EIDRM;
  return Error{gone ? Cause::Gone : cause_of(saved), saved, what};
}

/// One T for each line behind the heading.
template <class T, class ParseLine>
Result<std::vector<T>> parse_table(std::string_view text, const char* what, ParseLine parse) {
  const Error malformed{Cause::Malformed, 0, what};
  std::string_view line;
  if (!text.ends_with('\n') || !take_line(text, line) || line.find("key") == std::string_view::npos)
    return malformed;
  std::vector<T> rows;
  while (take_line(text, line)) {
    T row;
    if (!parse(line, row)) return malformed;
    rows.push_back(row);
  }
  return rows;
}

}  // namespace

Result<std::vector<SemaphoreSet>> parse_sysvipc_sem(std::string_view text) {
  return parse_table<SemaphoreSet>(
      text, "parse sysvipc/sem", [](std::string_view line, SemaphoreSet& set) {
        std::uint32_t gid = 0, creator_gid = 0;
        return take_number(line, set.key) && take_number(line, set.id) &&
               take_number(line, set.mode, 8) && take_number(line, set.nsems) &&
               take_number(line, set.uid) && take_number(line, gid) &&
               take_number(line, set.creator_uid) && take_number(line, creator_gid) &&
               take_number(line, set.operated) && take_number(line, set.changed);
      });
}

Result<std::vector<MessageQueueInfo>> parse_sysvipc_msg(std::string_view text) {
  return parse_table<MessageQueueInfo>(
      text, "parse sysvipc/msg", [](std::string_view line, MessageQueueInfo& queue) {
        std::uint32_t gid = 0;
        return take_number(line, queue.key) && take_number(line, queue.id) &&
               take_number(line, queue.mode, 8) && take_number(line, queue.bytes) &&
               take_number(line, queue.messages) && take_number(line, queue.last_sender.value) &&
               take_number(line, queue.last_receiver.value) && take_number(line, queue.uid) &&
               take_number(line, gid) && take_number(line, queue.creator_uid);
      });
}

Result<std::vector<SemaphoreSet>> read_sysvipc_sem(const ProcDir& system) {
  const auto text = system.read("sysvipc/sem", 64 << 20);
  if (!text) return text.error();
  return parse_sysvipc_sem(*text);
}

Result<std::vector<MessageQueueInfo>> read_sysvipc_msg(const ProcDir& system) {
  const auto text = system.read("sysvipc/msg", 64 << 20);
  if (!text) return text.error();
  return parse_sysvipc_msg(*text);
}

Result<std::vector<Semaphore>> read_semaphores(int id) {
  if (deputy::is_asked()) {
    const auto bytes = deputy::ask_bytes(deputy::Wish::Semaphores, id, -1);
    if (!bytes) return bytes.error();
    std::vector<Semaphore> semaphores(bytes->size() / sizeof(Semaphore));
    std::memcpy(semaphores.data(), bytes->data(), semaphores.size() * sizeof(Semaphore));
    return semaphores;
  }
  const std::string what = "semctl " + std::to_string(id);
  struct semid_ds status {};
  SemctlArgument argument{};
  argument.status = &status;
  if (::semctl(id, 0, IPC_STAT, argument) < 0) return error_of(errno, what);
  if (status.sem_nsems > kMaxSemaphores) return Error{Cause::Limit, 0, what};

  std::vector<unsigned short> values(
      kMaxSemaphores);  // the set may be replaced by a larger one before GETALL
  argument.values = values.data();
  if (::semctl(id, 0, GETALL, argument) < 0) return error_of(errno, what);
  std::vector<Semaphore> semaphores;
  for (int i = 0; i < static_cast<int>(status.sem_nsems); ++i) {
    Semaphore semaphore;
    semaphore.value = values[static_cast<std::size_t>(i)];
    semaphore.last_pid.value = ::semctl(id, i, GETPID);
    semaphore.waiting_increase = ::semctl(id, i, GETNCNT);
    semaphore.waiting_zero = ::semctl(id, i, GETZCNT);
    if (semaphore.last_pid.value < 0 || semaphore.waiting_increase < 0 ||
        semaphore.waiting_zero < 0) {
      return error_of(errno, what);
    }
    semaphores.push_back(semaphore);
  }
  return semaphores;
}

Result<MessageQueueLimits> read_message_queue(int id) {
  using deputy::Wish;
  if (deputy::is_asked()) return deputy::ask<MessageQueueLimits>(Wish::MessageQueue, id);
  struct msqid_ds status {};
  if (::msgctl(id, IPC_STAT, &status) < 0) return error_of(errno, "msgctl " + std::to_string(id));
  MessageQueueLimits limits;
  limits.bytes = status.__msg_cbytes;
  limits.messages = status.msg_qnum;
  limits.max_bytes = status.msg_qbytes;
  limits.last_sender.value = status.msg_lspid;
  limits.last_receiver.value = status.msg_lrpid;
  return limits;
}

Result<bool> shares_our_ipc_namespace(const ProcDir& process) {
  const auto theirs = read_namespace(process, "ipc");
  if (!theirs) return theirs.error();
  const auto system = ProcDir::open_system();
  if (!system) return system.error();
  const auto self = system->open_below("self");
  if (!self) return self.error();
  const auto ours = read_namespace(*self, "ipc");
  if (!ours) return ours.error();
  return *theirs == *ours;
}

}  // namespace ipcdoctor::linux
