// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include "linux/fd_iterator.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <span>
#include <vector>

#include "linux/bpf_iterator.h"

namespace ipcdoctor::linux {
namespace {

// include/uapi/linux/magic.h, Linux 6.1
constexpr std::uint64_t kPipes = 0x50495045, kSockets = 0x534f434b, kAnonymous = 0x09041934,
                        kMessageQueues = 0x19800202;
/// Their stat(2) gives the numbers of the inode itself: ext4, XFS, F2FS, tmpfs and devtmpfs, ramfs,
/// hugetlbfs, proc, sysfs, cgroup2, devpts.
constexpr std::array<std::uint64_t, 10> kPlain = {0xef53,     0x58465342, 0xf2f52010, 0x01021994,
                                                  0x858458f6, 0x958458f6, 0x9fa0,     0x62656572,
                                                  0x63677270, 0x1cd1};

FileKind kind_of(std::uint32_t type) {
  switch (type) {
    case S_IFIFO:
      return FileKind::Fifo;
    case S_IFREG:
      return FileKind::Regular;
    case S_IFDIR:
      return FileKind::Directory;
    case S_IFCHR:
      return FileKind::CharDevice;
    case S_IFBLK:
      return FileKind::BlockDevice;
    default:
      return FileKind::Unknown;
  }
}

}  // namespace

std::optional<FdEntry> to_entry(const KernelFd& fd) {
  FdEntry entry;
  entry.fd = fd.fd;
  entry.ino = fd.ino;
  entry.readable = fd.readable;
  entry.writable = fd.writable;
  if (fd.file_system == kPipes && fd.type == S_IFIFO) {
    entry.kind = FileKind::Pipe;
    entry.access_known = true;
    return entry;
  }
  if (fd.file_system == kSockets) {
    entry.kind = FileKind::Socket;
    return entry;
  }
  if (fd.file_system == kAnonymous) {
    entry = parse_fd_link(fd.fd, "anon_inode:" + fd.name);
    return entry;
  }
  entry.dev = fd.dev;
  if (fd.file_system == kMessageQueues && fd.type == S_IFREG) {
    entry.kind = FileKind::Mqueue;
    entry.access_known = true;
    return entry;
  }
  entry.kind = kind_of(fd.type);
  if (entry.kind == FileKind::Unknown || std::ranges::find(kPlain, fd.file_system) == kPlain.end())
    return std::nullopt;
  if (entry.kind == FileKind::CharDevice || entry.kind == FileKind::BlockDevice)
    entry.rdev = fd.rdev;
  entry.access_known = entry.kind == FileKind::Fifo ||
                       (entry.kind == FileKind::CharDevice && !is_memory_device(fd.rdev));
  return entry;
}

namespace {

constexpr std::size_t kMaxFds = 64U << 20;

struct Record {
  std::uint64_t tid, pid, fd, started, table, memory, file, mode_of_file, ino, dev, rdev, mode,
      magic, readers, writers, references;
  char name[32];
};

enum class Of { All, Pipes };

/// The kernel's half. r6 = context, r7 = task, r8 = file, r9 = inode.
std::vector<bpf_insn> make_program(bpf::KernelTypes& types, Of which) {
  const int inode = types.offset("file", "f_inode");
  const int block = types.offset("inode", "i_sb");
  const int path = types.offset("file", "f_path");
  const int dentry = path + types.offset("path", "dentry");
  const int name = types.offset("dentry", "d_name") + types.offset("qstr", "name");
  bpf::Assembler to(sizeof(Record));
  to.move(6, 1);
  to.load(BPF_DW, 7, 6, 8);  // bpf_iter__task_file::task
  const std::size_t no_task = to.jump_if_zero(7);
  to.load(BPF_DW, 8, 6, 24);  // ::file
  const std::size_t no_file = to.jump_if_zero(8);
  to.copy(BPF_W, 7, types.offset("task_struct", "pid"), offsetof(Record, tid));
  to.copy(BPF_W, 7, types.offset("task_struct", "tgid"), offsetof(Record, pid));
  to.copy(BPF_DW, 7, types.offset("task_struct", "start_boottime"), offsetof(Record, started));
  to.copy(BPF_DW, 7, types.offset("task_struct", "files"), offsetof(Record, table));
  to.copy(BPF_DW, 7, types.offset("task_struct", "mm"), offsetof(Record, memory));
  to.copy(BPF_W, 6, 16, offsetof(Record, fd));  // ::fd
  to.store(8, offsetof(Record, file));
  to.copy(BPF_W, 8, types.offset("file", "f_mode"), offsetof(Record, mode_of_file));
  to.load(BPF_DW, 9, 8, inode);
  to.copy(BPF_DW, 9, types.offset("inode", "i_ino"), offsetof(Record, ino));
  to.copy(BPF_W, 9, types.offset("inode", "i_rdev"), offsetof(Record, rdev));
  to.copy(BPF_H, 9, types.offset("inode", "i_mode"), offsetof(Record, mode));
  const int pipe = which == Of::Pipes ? types.offset("inode", "i_pipe") : 0;
  if (which == Of::Pipes) to.load(BPF_DW, 7, 9, pipe);  // the task is told
  to.load(BPF_DW, 9, 9, block);
  to.copy(BPF_W, 9, types.offset("super_block", "s_dev"), offsetof(Record, dev));
  to.copy(BPF_DW, 9, types.offset("super_block", "s_magic"), offsetof(Record, magic));
  to.clear(offsetof(Record, readers), sizeof(Record));
  std::size_t no_pipe = 0;
  if (which == Of::Pipes) {
    no_pipe = to.jump_unless(1, static_cast<int>(kPipes));  // r1 = the magic
    to.copy(BPF_W, 7, types.offset("pipe_inode_info", "readers"), offsetof(Record, readers));
    to.copy(BPF_W, 7, types.offset("pipe_inode_info", "writers"), offsetof(Record, writers));
    const char* count = types.has("file", "f_ref") ? "f_ref" : "f_count";
    to.copy(BPF_DW, 8, types.offset("file", count), offsetof(Record, references));
    if (types.has("file", "f_ref")) {  // FILE_REF_ONEREF is 0
      to.add_number(1, 1);
      to.store(1, offsetof(Record, references));
    }
    to.move_number(1, static_cast<int>(kPipes));
  }
  const std::size_t named = to.jump_unless(1, static_cast<int>(kAnonymous));
  to.load(BPF_DW, 3, 8, dentry);
  to.load(BPF_DW, 3, 3, name);
  to.move(1, 10);
  to.add_number(1, to.on_stack(offsetof(Record, name)));
  to.move_number(2, sizeof(Record::name));
  to.call(BPF_FUNC_probe_read_kernel_str);
  to.land(named);
  to.write(6, sizeof(Record));
  if (which == Of::Pipes) to.land(no_pipe);
  to.land(no_task);
  to.land(no_file);
  to.exit();
  return to.instructions();
}

/// The kernel's dev_t has twenty bits for the minor number; include/linux/kdev_t.h.
std::uint64_t device(std::uint64_t number) {
  return makedev(static_cast<unsigned>(number >> 20), static_cast<unsigned>(number & 0xfffff));
}

KernelFd fd_of(const Record& r) {
  constexpr std::uint64_t kRead = 1, kWrite = 2;  // include/linux/fs.h
  KernelFd fd;
  fd.pid = Pid{static_cast<int>(r.pid)};
  fd.tid = Tid{static_cast<int>(r.tid)};
  fd.fd = static_cast<int>(r.fd);
  fd.started_ns = r.started;
  fd.table = r.table;
  fd.memory = r.memory;
  fd.file = r.file;
  fd.ino = r.ino;
  fd.dev = device(r.dev);
  fd.rdev = device(r.rdev);
  fd.file_system = r.magic;
  fd.type = static_cast<std::uint32_t>(r.mode & S_IFMT);
  fd.readable = (r.mode_of_file & kRead) != 0;
  fd.writable = (r.mode_of_file & kWrite) != 0;
  fd.readers = static_cast<std::uint32_t>(r.readers);
  fd.writers = static_cast<std::uint32_t>(r.writers);
  fd.references = r.references - 1;  // the iterator has one itself (fget_task_next())
  if (r.magic == kAnonymous) fd.name.assign(r.name, ::strnlen(r.name, sizeof r.name));
  return fd;
}

Status read_kernel(Of which, const std::function<void(const KernelFd&)>& each) {
  auto types = bpf::KernelTypes::read();
  if (!types) return types.error();
  const auto loaded = bpf::load_iterator(*types, "bpf_iter_task_file", "ipcdoctor_fds",
                                         make_program(*types, which));
  if (!loaded) return loaded.error();
  std::array<std::byte, sizeof(Record)> half;  // what the end of a piece cut off
  std::size_t kept = 0, seen = 0;
  const Status read = bpf::run_iterator(*loaded, [&](std::span<const std::byte> piece) -> Status {
    while (!piece.empty()) {
      const std::size_t n = std::min(piece.size(), half.size() - kept);
      std::memcpy(half.data() + kept, piece.data(), n);
      piece = piece.subspan(n);
      kept += n;
      if (kept < half.size()) break;
      kept = 0;
      if (++seen > kMaxFds) return Error{Cause::Limit, 0, "read the descriptors of the kernel"};
      Record record{};
      std::memcpy(&record, half.data(), sizeof record);
      each(fd_of(record));
    }
    return Done{};
  });
  if (!read) return read.error();
  if (kept != 0)
    return Error{Cause::Malformed, 0, "read the descriptors of the kernel: half a record"};
  return Done{};
}

}  // namespace

Status read_kernel_fds(const std::function<void(const KernelFd&)>& each) {
  return read_kernel(Of::All, each);
}

Status read_kernel_pipes(const std::function<void(const KernelFd&)>& each) {
  return read_kernel(Of::Pipes, each);
}

}  // namespace ipcdoctor::linux
