#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "linux/proc_dir.h"

namespace ipcdoctor::linux {

/// One line of /proc/sysvipc/sem; see proc(5). World-readable, but only the reader's own IPC
/// namespace.
struct SemaphoreSet {
  std::int64_t key = 0;
  int id = -1;
  std::uint32_t mode = 0;
  std::uint64_t nsems = 0;
  std::uint32_t uid = 0, creator_uid = 0;
  std::int64_t operated = 0, changed = 0;  ///< seconds since 1970
};

/// One semaphore of a set, by semctl(2).
struct Semaphore {
  int value = 0;
  Pid last_pid;              ///< last to operate on it; 0 = nobody, or not in our PID namespace
  int waiting_increase = 0;  ///< GETNCNT: 0 while the waiter is ptrace-stopped
  int waiting_zero = 0;      ///< GETZCNT
};

/// One line of /proc/sysvipc/msg.
struct MessageQueueInfo {
  std::int64_t key = 0;
  int id = -1;
  std::uint32_t mode = 0;
  std::uint64_t bytes = 0, messages = 0;
  Pid last_sender, last_receiver;
  std::uint32_t uid = 0, creator_uid = 0;
};

Result<std::vector<SemaphoreSet>> parse_sysvipc_sem(std::string_view text);
Result<std::vector<SemaphoreSet>> read_sysvipc_sem(const ProcDir& system);
Result<std::vector<MessageQueueInfo>> parse_sysvipc_msg(std::string_view text);
Result<std::vector<MessageQueueInfo>> read_sysvipc_msg(const ProcDir& system);

/// The values of one set. Needs read permission on it. @return Denied, Gone (EINVAL, EIDRM), Limit
/// (over 32000).
Result<std::vector<Semaphore>> read_semaphores(int id);

struct MessageQueueLimits {
  std::uint64_t bytes = 0, messages = 0, max_bytes = 0;
  Pid last_sender, last_receiver;
};
/// msgctl(IPC_STAT). Needs read permission. @return Denied, Gone.
Result<MessageQueueLimits> read_message_queue(int id);

/// The inode of /proc/PID/ns/ipc differs from ours: ids of that process mean nothing here.
Result<bool> shares_our_ipc_namespace(const ProcDir& process);

}  // namespace ipcdoctor::linux
