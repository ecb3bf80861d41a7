#include "collect/file_locks.h"

#include <algorithm>
#include <map>
#include <set>

#include "collect/tables.h"
#include "linux/fdinfo.h"
#include "linux/kcmp.h"
#include "linux/proc_locks.h"

namespace ipcdoctor::collect {
namespace {

using linux::FileLockEntry;
using linux::FileLockType;
using snapshot::Fd;
using snapshot::FileLock;
using snapshot::ObjectId;

/// A lock with one descriptor that holds it, to tell open files apart.
struct Found {
  FileLock lock;
  FileLockEntry entry;
  Tid task;
  int fd = -1;
};

std::string type_name(FileLockType type) {
  switch (type) {
    case FileLockType::Flock:
      return "flock";
    case FileLockType::Posix:
      return "posix";
    case FileLockType::Ofd:
      return "ofd";
    default:
      return "lease";
  }
}

bool same_lock(const FileLockEntry& a, const FileLockEntry& b) {
  return a.type == b.type && a.exclusive == b.exclusive && a.pid == b.pid && a.start == b.start &&
         a.end == b.end && a.same_file(b);
}

/// flock(2) and OFD locks belong to the open file, which forked processes share; POSIX locks to the
/// process.
bool same_holder(const Found& known, const FileLockEntry& entry, Pid pid, Tid task, int fd) {
  if (entry.type == FileLockType::Posix) return known.lock.holders.front().first == pid;
  const auto order = linux::compare_files(known.task, known.fd, task, fd);
  return !order || *order == std::strong_ordering::equal;
}

void add(std::vector<Found>& found, const ObjectId& file, const FileLockEntry& entry, Pid pid,
         Tid task, int fd) {
  const std::pair<Pid, int> holder{pid, entry.type == FileLockType::Posix ? -1 : fd};
  for (Found& known : found) {
    if (known.lock.file != file || !same_lock(known.entry, entry) ||
        !same_holder(known, entry, pid, task, fd))
      continue;
    if (std::ranges::find(known.lock.holders, holder) == known.lock.holders.end())
      known.lock.holders.push_back(holder);
    return;
  }
  Found fresh{{file,
               type_name(entry.type),
               entry.exclusive,
               entry.start,
               entry.end,
               Pid{std::max(entry.pid, 0)},
               {holder}},
              entry,
              task,
              fd};
  found.push_back(std::move(fresh));
}

using Files = std::map<std::pair<std::uint64_t, std::uint64_t>, ObjectId>;

/// The kernel lists who waits, with the range that it worked out when the call began. Of several
/// waiters of one process nothing tells which is which.
void complete_ranges(System& system, const Files& files, const std::vector<FileLockEntry>& locks) {
  for (const auto& process : system.processes()) {
    for (ThreadEntry& thread : process->threads) {
      if (!thread.out.wait || !thread.out.wait->file_lock.relative) continue;
      snapshot::FileLockWait& wait = thread.out.wait->file_lock;
      const auto is_its = [&](const FileLockEntry& entry) {
        const auto file = files.find({entry.dev, entry.ino});
        return entry.waiting && entry.type == FileLockType::Posix && wait.type == "posix" &&
               entry.pid == process->pid.value && file != files.end() && file->second == wait.file;
      };
      if (std::ranges::count_if(locks, is_its) != 1) continue;
      const auto entry = std::ranges::find_if(locks, is_its);
      wait.start = entry->start;
      wait.end = entry->end;
      wait.relative = false;
      thread.out.wait->untimed = true;
    }
  }
}

/// What the kernel knows and no descriptor that we could read shows.
void add_unclaimed(const Files& files, const std::vector<FileLockEntry>& locks,
                   std::vector<Found>& found) {
  for (const FileLockEntry& entry : locks) {
    const auto it = files.find({entry.dev, entry.ino});
    if (entry.waiting || it == files.end()) continue;
    const bool claimed = std::ranges::any_of(
        found, [&](const Found& known) { return same_lock(known.entry, entry); });
    if (claimed) continue;
    found.push_back({{it->second,
                      type_name(entry.type),
                      entry.exclusive,
                      entry.start,
                      entry.end,
                      Pid{std::max(entry.pid, 0)},
                      {}},
                     entry,
                     Tid{},
                     -1});
  }
}

}  // namespace

std::vector<FileLock> read_file_locks(System& system) {
  std::set<ObjectId> files;
  for (const auto& process : system.processes()) {
    for (const ThreadEntry& thread : process->threads) {
      if (thread.out.wait && thread.out.wait->kind == snapshot::WaitKind::FileLock) {
        files.insert(thread.out.wait->file_lock.file);
      }
    }
  }
  files.erase(ObjectId{});
  if (files.empty()) return {};
  std::vector<Found> found;
  for_each_table(system, [&](ProcessEntry& process, Tid tid, std::vector<Fd>& fds) {
    const Tid task{tid.value != 0 ? tid.value : process.pid.value};
    for (const Fd& fd : fds) {
      if (!files.contains(fd.object)) continue;
      const Risk risk(system.progress(), process.pid, Fact::FdInfo, fd.fd);
      if (!risk.allowed()) continue;
      const std::string base =
          tid.value == 0 ? "fdinfo/" : "task/" + std::to_string(tid.value) + "/fdinfo/";
      const auto text = process.dir->read(base + std::to_string(fd.fd));
      const auto info = text ? linux::parse_fdinfo(*text) : Result<linux::FdInfo>(text.error());
      if (!info && info.error().cause != Cause::Gone) {  // it may hold any of them
        system.note_unseen(process.pid, tid, info.error());
        system.note_unknown_copies(fd.object);
      }
      if (!info) continue;
      for (const FileLockEntry& entry : info->locks)
        add(found, fd.object, entry, process.pid, task, fd.fd);
    }
  });
  if (const auto entries = linux::read_locks(system.proc())) {
    Files by_inode;
    for (const Found& known : found) by_inode[{known.entry.dev, known.entry.ino}] = known.lock.file;
    complete_ranges(system, by_inode, *entries);
    add_unclaimed(by_inode, *entries, found);
  }
  std::vector<FileLock> locks;
  for (Found& known : found) locks.push_back(std::move(known.lock));
  return locks;
}

}  // namespace ipcdoctor::collect
