#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "linux/proc_syscall.h"
#include "snapshot/snapshot.h"

namespace ipcdoctor::collect {

/// One thread that is not running, as /proc shows it.
struct BlockedCall {
  snapshot::TaskRef task;
  char state = '?';  ///< of /proc/TID/status
  linux::SyscallState call;
  std::string wchan;      ///< "" if unknown
  bool is_32bit = false;  ///< its call numbers are those of i386 or x32
};

/// Which children a wait4(2) or waitid(2) takes; ids as the waiting process numbers them.
struct ChildFilter {
  enum class By { Any, Pid, Group, OwnGroup, PidFd } by = By::Any;
  int id = 0;                      ///< pid, process group or descriptor
  bool own_children_only = false;  ///< __WNOTHREAD: not those of other threads
};

enum class Direction { Receive, Send };

struct FoundFile {
  snapshot::ObjectId object;
  bool was_written = false;  ///< since it was made: its mtime is later than its birth
};

/// What the decoder asks about the surroundings of a thread. Answers may cost reads of the target.
class Surroundings {
 public:
  virtual ~Surroundings() = default;
  /// kind Unknown: the descriptor is not in the thread's table.
  virtual snapshot::ObjectId object_of(int fd) = 0;
  /// The target's memory.
  virtual Status read(RemoteAddr address, std::span<std::byte> into) = 0;
  /// Which file a path names for that thread; found without opening it. dir_fd as for openat(2).
  virtual Result<FoundFile> find_path(int dir_fd, const std::string& path) = 0;
  /// SO_RCVTIMEO or SO_SNDTIMEO is set. An error: not known.
  virtual Result<bool> has_socket_timeout(int fd, Direction direction) = 0;
  virtual std::vector<Pid> children(const ChildFilter& filter) = 0;
  /// Its program waits for its children by sigsuspend(2), and by that for nothing else.
  virtual bool awaits_children_by_signal() { return false; }
  /// The child that a vfork(2) of this thread waits for.
  virtual std::vector<Pid> vfork_children() = 0;
  /// Fills in shared_memory and page of a futex by the mapping that holds its address.
  /// @return false if that is not known.
  virtual bool locate(snapshot::FutexWait& futex) = 0;
  /// Every object of that kind that any process seen holds.
  virtual std::vector<snapshot::ObjectId> all_of(snapshot::ObjectKind kind) = 0;
  /// The processes of the PID namespace that the thread's process is the init of.
  virtual std::vector<Pid> namespace_members() = 0;
};

/// What a blocked call waits for, by its number, arguments and the memory they point to (x86-64,
/// Linux up to 6.18). What nobody here understands is WaitKind::Unknown with the call's name, and
/// counts as able to go on.
snapshot::Wait decode_call(const BlockedCall& blocked, Surroundings& surroundings);

}  // namespace ipcdoctor::collect
