#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "snapshot/process.h"

/// What was learned about a set of processes at one instant, and what was not. Plain data: no
/// rules, no I/O. Everything after lib/collect works on this alone, also on a saved file elsewhere.
/// Every string that came from a target was made safe by escape_untrusted() when it was collected.
/// Vectors are sorted: processes by pid, threads by tid, fds by number, objects by id.
namespace ipcdoctor::snapshot {

/// A lock of /proc/locks joined with the holders' fdinfo.
struct FileLock {
  ObjectId file;
  std::string type;  ///< "flock", "posix", "ofd"
  bool exclusive = false;
  std::uint64_t start = 0;
  std::uint64_t end = ~std::uint64_t{0};
  Pid taker;  ///< as the kernel recorded it; may be dead; 0 for OFD
  std::vector<std::pair<Pid, int>>
      holders;  ///< who can release it: (pid, fd); posix: the process, fd -1
};

/// A shared file-backed or anonymous shared area that holds a futex somebody waits on.
struct SharedArea {
  std::uint64_t dev = 0, ino = 0;
  std::string path;
  bool has_name = false;     ///< nlink > 0: strangers may map it
  std::vector<Pid> mappers;  ///< processes that map it, or hold a descriptor of it
};

struct SysvObject {
  std::string type;  ///< "sem", "msg"
  int id = -1;
  static constexpr std::int64_t kUnknownKey = std::int64_t{1} << 40;
  std::int64_t key = kUnknownKey;
  std::vector<int> values;  ///< sem: value of each; msg: {messages, bytes, limit}; empty: not read
  std::vector<Pid> last_pids;  ///< sem: last operator of each; msg: {last sender, last receiver};
                               ///< 0: nobody, or somebody who was not found; empty: not read
  std::vector<Pid> attached;   ///< processes seen to use it (they wait on it)
};

/// A fact that could not be learned.
struct Unseen {
  Pid pid;
  Tid tid;
  Error error;
};

/// Tasks that nothing tells apart, of which a snapshot has only some; tid 0: whole processes.
/// Sorted.
struct Kind {
  std::vector<TaskRef> here;
  std::vector<TaskRef> left_out;
};

/// A process that is not here because others like it are.
struct LeftOut {
  Pid pid;
  Pid ppid;
  int ns_pid = 0;
  Pid like;  ///< one that is here
};

/// A network namespace whose sockets were read.
struct NetNamespace {
  std::uint64_t ino = 0;
  std::vector<std::string> addresses;  ///< of its interfaces, without those of the loopback device
  /// All TCP sockets that have a peer: local and remote address. What is not here is not there,
  /// where is_whole.
  std::vector<std::pair<std::string, std::string>> connections;
  bool is_whole = false;
};

/// Where and when a snapshot was taken: what tells hosts and looks apart.
struct Place {
  std::string boot_id;     ///< /proc/sys/kernel/random/boot_id; "" if it could not be read
  std::string machine_id;  ///< /etc/machine-id; clones of one image may share it
  std::uint64_t pid_ns = 0;
  std::int64_t begin_ms = 0, end_ms = 0;  ///< since 1970, by the clock of that host
  /// 128 random bits in hexadecimal, drawn after the last look: who knows them came later.
  std::string id;
  /// The ids of all snapshots of the round before, as token_of() folds them; "": the first round.
  std::string after;
  std::vector<NetNamespace> networks;
};

/// One host of a joined snapshot. Its processes, threads and System V objects have other numbers
/// there, as those of several hosts would collide.
struct Host {
  std::string name;
  int first = 0;             ///< the number that stands for numbers[0]; consecutive ones follow
  std::vector<int> numbers;  ///< as the host itself counts; sorted
  int rounds = 1;            ///< how often it was looked at
  Place place;
};

struct Snapshot {
  std::string tool_version;
  std::string host, kernel;
  Place place;
  std::int64_t time = 0;           ///< seconds since 1970, UTC
  std::uint64_t uptime_ticks = 0;  ///< since boot, at the same moment: as Process::start_ticks
  std::vector<Pid> targets;
  bool overdue = false;  ///< the user says that the targets should have ended or answered by now
  std::vector<Process> processes;
  std::vector<Object> objects;
  std::vector<FileLock> file_locks;
  std::vector<SharedArea> shared_areas;
  std::vector<SysvObject> sysv;
  std::vector<Unseen> unseen;
  bool all_holders_seen =
      false;  ///< every fd table and every address space of the system could be read
  bool processes_were_missed = false;  ///< they came and went faster than they could be listed: any
                                       ///< may have held anything, and handed it on
  bool in_init_pid_ns = false;
  bool unknown_fds_in_flight =
      false;  ///< some socket of the system holds descriptors that nobody can name
  std::uint32_t stopped_threads = 0;  ///< how many this collection had to stop; 0 by default
  double elapsed_ms = 0;
  double observed_ms = 0;         ///< length of the window for Thread::polls; 0 = there was none
  bool observed_briefly = false;  ///< only until each loop had come round a few times
  // Only where some of each kind stand for all, see diagnosis/fold.h; never saved.
  std::vector<Kind> kinds;
  std::vector<LeftOut> left_out;  ///< by ns_pid
  // Only where snapshots of several hosts were joined, see join.h; never saved.
  std::vector<Host> hosts;  ///< by first
};

/// The host that a number is of; nullptr where the snapshot is of one host.
const Host* host_of(const Snapshot& snapshot, int number);
/// "h2:" for a number of a joined snapshot, else "".
std::string host_prefix(const Snapshot& snapshot, int number);
/// A PID, TID or number of a System V object as its host counts it.
int local_number(const Snapshot& snapshot, int number);
/// "42"; "h2:42" in a joined snapshot.
std::string number_of(const Snapshot& snapshot, Pid pid);

/// How many these are, together with those of their kinds that the snapshot leaves out. A kind
/// counts whole where at least half of what is here of it is among these.
std::size_t count_with_left_out(const Snapshot& snapshot, const std::vector<TaskRef>& tasks);
std::size_t count_with_left_out(const Snapshot& snapshot, const std::vector<Pid>& pids);

/// "42", "42/43", "42#7": as in a label.
std::string number_of(const Snapshot& snapshot, TaskRef task);

/// The process of that pid, or nullptr.
const Process* find_process(const Snapshot& snapshot, Pid pid);
const Thread* find_thread(const Snapshot& snapshot, TaskRef task);
Thread* find_thread(Snapshot& snapshot, TaskRef task);
const Object* find_object(const Snapshot& snapshot, const ObjectId& id);
/// Whether the lock must go before the wait of a thread of `waiter` can end. One of the same owner
/// would only be converted: POSIX locks belong to the descriptor table, OFD locks and those of
/// flock(2) to the open file (fs/locks.c, posix_locks_conflict(), flock_locks_conflict();
/// Linux 6.1).
bool is_in_the_way(const Snapshot& snapshot, const FileLock& lock, const FileLockWait& wait,
                   Pid waiter);
const SharedArea* find_area(const Snapshot& snapshot, const PageId& page);

/// "python3[42]"; "python3[42/43]" for a thread that is not the leader, "app[42#7]" for task 7 of
/// its language's runtime.
std::string label(const Snapshot& snapshot, TaskRef task);

}  // namespace ipcdoctor::snapshot
