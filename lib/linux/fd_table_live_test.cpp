#include "linux/fd_table.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <mqueue.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <atomic>

#include "linux/fdinfo.h"
#include "linux/testing.h"

namespace ipcdoctor::linux {
namespace {

using testing::Pipe;

FdEntry entry_of(int fd) {
  const auto process = ProcDir::open(Pid{::getpid()});
  const auto entries = read_fds(*process);
  EXPECT_TRUE(entries);
  const auto found = std::ranges::find(*entries, fd, &FdEntry::fd);
  return found == entries->end() ? FdEntry{} : *found;
}

std::string temporary_name(const char* name) {
  return "/tmp/ipcdoctor_" + std::to_string(::getpid()) + "_" + name;
}

TEST(ReadFds, TellsTheTwoEndsOfAPipe) {
  const Pipe pipe;
  const FdEntry reader = entry_of(pipe.reader()), writer = entry_of(pipe.writer());

  EXPECT_EQ(reader.kind, FileKind::Pipe);
  EXPECT_EQ(reader.ino, writer.ino);
  EXPECT_TRUE(reader.access_known && reader.readable && !reader.writable);
  EXPECT_TRUE(writer.access_known && writer.writable && !writer.readable);
}

TEST(ReadFds, TellsAFifoFromAFileThatIsNamedLikeAPipe) {
  const std::string fifo_name = temporary_name("fifo"), file_name = temporary_name("pipe:[1]");
  ASSERT_EQ(::mkfifo(fifo_name.c_str(), 0600), 0);
  const UniqueFd fifo(::open(fifo_name.c_str(), O_RDWR | O_CLOEXEC));
  const UniqueFd file(::open(file_name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  struct stat status {};
  ASSERT_EQ(::fstat(fifo.get(), &status), 0);
  const FdEntry linked = entry_of(fifo.get()), regular = entry_of(file.get());
  ASSERT_EQ(::unlink(fifo_name.c_str()), 0);
  ASSERT_EQ(::unlink(file_name.c_str()), 0);
  const FdEntry unlinked = entry_of(fifo.get());

  EXPECT_EQ(linked.kind, FileKind::Fifo);
  EXPECT_EQ(linked.ino, status.st_ino);
  EXPECT_EQ(linked.dev, status.st_dev);
  EXPECT_TRUE(linked.readable && linked.writable);
  EXPECT_EQ(linked.nlink, 1U);
  EXPECT_EQ(unlinked.kind, FileKind::Fifo);
  EXPECT_EQ(unlinked.nlink, 0U);
  EXPECT_EQ(regular.kind, FileKind::Regular);
}

TEST(ReadFds, KnowsTheKindsOfDescriptors) {
  int pair[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
  const UniqueFd a(pair[0]), b(pair[1]);
  const UniqueFd event(::eventfd(0, EFD_CLOEXEC)), epoll(::epoll_create1(EPOLL_CLOEXEC));
  const UniqueFd memory(::memfd_create("m", MFD_CLOEXEC)),
      directory(::open("/", O_RDONLY | O_CLOEXEC));
  const UniqueFd null(::open("/dev/null", O_WRONLY | O_CLOEXEC)),
      space(::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));

  EXPECT_EQ(entry_of(a.get()).kind, FileKind::Socket);
  EXPECT_EQ(entry_of(event.get()).link, "eventfd");
  EXPECT_EQ(entry_of(epoll.get()).link, "eventpoll");
  EXPECT_EQ(entry_of(memory.get()).kind, FileKind::Memfd);
  EXPECT_NE(entry_of(memory.get()).ino, 0U);
  EXPECT_EQ(entry_of(directory.get()).kind, FileKind::Directory);
  EXPECT_EQ(entry_of(null.get()).kind, FileKind::CharDevice);
  EXPECT_EQ(entry_of(null.get()).rdev, makedev(1, 3));
  EXPECT_EQ(entry_of(space.get()).kind, FileKind::Namespace);
}

TEST(ReadFds, KnowsAMessageQueue) {
  const std::string name = "/ipcdoctor_" + std::to_string(::getpid());
  const mqd_t queue = ::mq_open(name.c_str(), O_RDWR | O_CREAT, 0600, nullptr);
  if (queue < 0) GTEST_SKIP() << "no POSIX message queues here";
  const FdEntry linked = entry_of(queue);
  const mqd_t receiver = ::mq_open(name.c_str(), O_RDONLY);
  ASSERT_GE(receiver, 0);
  const FdEntry receives = entry_of(receiver);
  ::mq_close(receiver);
  ASSERT_EQ(::mq_unlink(name.c_str()), 0);
  const FdEntry unlinked = entry_of(queue);
  ::mq_close(queue);

  EXPECT_EQ(linked.kind, FileKind::Mqueue);
  EXPECT_TRUE(linked.access_known && linked.readable && linked.writable);
  EXPECT_TRUE(receives.access_known && receives.readable && !receives.writable);
  EXPECT_EQ(linked.nlink, 1U);
  EXPECT_EQ(unlinked.kind, FileKind::Mqueue);
  EXPECT_EQ(unlinked.nlink, 0U);
}

TEST(ReadFds, JoinsTheTwoSidesOfATerminal) {
  const UniqueFd master(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
  ASSERT_TRUE(master.is_open());
  ASSERT_EQ(::unlockpt(master.get()), 0);
  char name[64];
  ASSERT_EQ(::ptsname_r(master.get(), name, sizeof name), 0);
  const UniqueFd slave(::open(name, O_RDWR | O_NOCTTY | O_CLOEXEC));
  const auto info = read_fdinfo(*ProcDir::open(Pid{::getpid()}), master.get());

  EXPECT_TRUE(is_ptmx(entry_of(master.get()).rdev));
  EXPECT_TRUE(is_terminal(entry_of(slave.get()).rdev));
  ASSERT_TRUE(info && info->has_tty_index);
  EXPECT_EQ(static_cast<int>(minor(entry_of(slave.get()).rdev)), info->tty_index);
}

TEST(ReadFds, ShowsATableThatOneThreadHasAlone) {
  const Pipe pipe, ready, done;
  std::atomic<int> tid{0};
  std::thread thread([&] {
    if (::unshare(CLONE_FILES) != 0) ::abort();
    const int copy = ::fcntl(pipe.writer(), F_DUPFD, 100);  // a number that nothing else here has
    tid = static_cast<int>(::syscall(SYS_gettid));
    char byte = static_cast<char>(copy);
    (void)!::write(ready.writer(), &byte, 1);
    (void)!::read(done.reader(), &byte, 1);
  });
  char copy = 0;
  ASSERT_EQ(::read(ready.reader(), &copy, 1), 1);
  const auto process = ProcDir::open(Pid{::getpid()});
  const auto task = process->open_below("task/" + std::to_string(tid));
  const auto own = read_fds(*task), common = read_fds(*process);
  ASSERT_EQ(::write(done.writer(), "x", 1), 1);
  thread.join();

  ASSERT_TRUE(own && common);
  EXPECT_TRUE(std::ranges::any_of(*own, [&](const FdEntry& entry) { return entry.fd == copy; }));
  EXPECT_FALSE(
      std::ranges::any_of(*common, [&](const FdEntry& entry) { return entry.fd == copy; }));
}

TEST(ReadFds, StopsAtItsLimitAndWhenTold) {
  const auto process = ProcDir::open(Pid{::getpid()});
  FdTableOptions options;
  options.limit = 2;
  const Pipe pipe;
  int calls = 0;
  const auto ended = read_fds(*process, {}, [&](FdEntry&&) { return ++calls < 2; });

  EXPECT_EQ(read_fds(*process, options).error().cause, Cause::Limit);
  ASSERT_TRUE(ended);
  EXPECT_EQ(calls, 2);
}

/// Holds a descriptor of a FUSE mount, 100, whose server (itself) never answers. @return the byte
/// to write: 'y' or 'n'.
char hold_dead_fuse_mount(const std::string& where) {
  const int server = ::open("/dev/fuse", O_RDWR | O_CLOEXEC);
  if (server < 0 || ::unshare(CLONE_NEWNS) != 0) return 'n';
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return 'n';
  const std::string options =
      "fd=" + std::to_string(server) + ",rootmode=40000,user_id=0,group_id=0";
  if (::mount("dead", where.c_str(), "fuse", 0, options.c_str()) != 0) return 'n';
  const int directory = ::open(where.c_str(), O_PATH);  // the only open that asks no server
  return directory >= 0 && ::dup2(directory, 100) == 100 ? 'y' : 'n';
}

TEST(ReadFds, NeverWaitsForAFuseServer) {
  const Pipe ready;
  const std::string where = temporary_name("fuse");
  ASSERT_EQ(::mkdir(where.c_str(), 0700), 0);
  testing::Child holder([&] {
    const char answer = hold_dead_fuse_mount(where);
    return ::write(ready.writer(), &answer, 1) == 1 ? ::pause() : 1;
  });
  char answer = 0;
  ASSERT_EQ(::read(ready.reader(), &answer, 1), 1);
  ASSERT_EQ(::rmdir(where.c_str()), 0);
  if (answer != 'y') GTEST_SKIP() << "may not mount FUSE here";

  testing::Child reader([&] {
    const auto entries = read_fds(*holder.dir());
    return entries && std::ranges::any_of(*entries,
                                          [](const FdEntry& entry) { return entry.fd == 100; })
               ? 0
               : 1;
  });

  ASSERT_TRUE(testing::eventually([&] { return reader.state() == 'Z'; }));
  EXPECT_EQ(reader.wait(), 0);
}

TEST(ListNumbers, EndsWhileThreadsComeAndGo) {
  const Pipe ready;
  testing::Child child([&] {
    (void)!::write(ready.writer(), "x", 1);
    for (;;) {
      std::thread a([] {}), b([] {}), c([] {});
      a.join(), b.join(), c.join();
    }
    return 0;
  });
  char byte = 0;
  ASSERT_EQ(::read(ready.reader(), &byte, 1), 1);
  const auto process = child.dir();

  for (int i = 0; i < 500; ++i) {
    const auto tids = process->list_numbers("task");
    ASSERT_TRUE(tids) << to_string(tids.error());
    ASSERT_TRUE(std::ranges::adjacent_find(*tids) == tids->end());
    ASSERT_EQ(tids->front(), child.pid().value);
    for (const int tid : *tids) {
      const auto task = process->open_below("task/" + std::to_string(tid));
      const auto fds = task ? read_fds(*task) : Result<std::vector<FdEntry>>(task.error());
      ASSERT_TRUE(fds || fds.error().cause == Cause::Gone) << to_string(fds.error());
      const auto stat = task ? read_stat(*task) : Result<Stat>(task.error());
      ASSERT_TRUE(stat || stat.error().cause == Cause::Gone) << to_string(stat.error());
    }
  }
}

TEST(ReadFds, AProcessThatIsGoneIsGone) {
  testing::Child child([] { return 0; });
  const auto process = child.dir();
  ASSERT_TRUE(process);
  ASSERT_EQ(child.wait(), 0);

  EXPECT_EQ(read_fds(*process).error().cause, Cause::Gone);
}

TEST(ReadFds, CountsThemWithoutLookingWhereTheKernelDoes) {
  const auto process = ProcDir::open(Pid{::getpid()});
  ASSERT_TRUE(process);

  const std::size_t count = count_fds(*process);

  if (count == 0) GTEST_SKIP() << "Linux before 6.2";
  EXPECT_EQ(count + 1, read_fds(*process)->size()) << "and the directory that is being read";
}

}  // namespace
}  // namespace ipcdoctor::linux
