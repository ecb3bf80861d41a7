#include "linux/fd_table.h"

#include <gtest/gtest.h>
#include <sys/sysmacros.h>

namespace ipcdoctor::linux {
namespace {

TEST(ParseFdLink, KnowsTheKindsThatNeedNoStat) {
  const FdEntry pipe = parse_fd_link(3, "pipe:[67386]");
  const FdEntry socket = parse_fd_link(4, "socket:[4294967295]");
  const FdEntry epoll = parse_fd_link(5, "anon_inode:[eventpoll]");
  const FdEntry inotify = parse_fd_link(6, "anon_inode:inotify");
  const FdEntry space = parse_fd_link(7, "net:[4026531833]");
  const FdEntry pidfd = parse_fd_link(8, "pidfd:[77]");

  EXPECT_EQ(pipe.kind, FileKind::Pipe);
  EXPECT_EQ(pipe.fd, 3);
  EXPECT_EQ(pipe.ino, 67386U);
  EXPECT_EQ(socket.kind, FileKind::Socket);
  EXPECT_EQ(socket.ino, 4294967295U);
  EXPECT_EQ(epoll.kind, FileKind::AnonInode);
  EXPECT_EQ(epoll.link, "eventpoll");
  EXPECT_EQ(inotify.link, "inotify");
  EXPECT_EQ(space.kind, FileKind::Namespace);
  EXPECT_EQ(space.ino, 4026531833U);
  EXPECT_EQ(pidfd.link, "pidfd");
}

TEST(ParseFdLink, IsNotFooledByAFileThatIsNamedLikeAPipe) {
  const FdEntry file = parse_fd_link(3, "/tmp/pipe:[67386]");

  EXPECT_EQ(file.kind, FileKind::Unknown);
  EXPECT_EQ(file.link, "/tmp/pipe:[67386]");
}

TEST(ParseFdLink, LeavesOddTextsUnknown) {
  for (const char* text :
       {"", "pipe:", "pipe:[", "pipe:[x]", "pipe:[12", "pipe:[12]x", "pipe:[99999999999999999999]",
        "socket:[-1]", "net:[]", "new_kind:[5]"}) {
    EXPECT_EQ(parse_fd_link(0, text).kind, FileKind::Unknown) << text;
  }
}

TEST(Devices, AreKnownByTheirNumbers) {
  EXPECT_TRUE(is_terminal(makedev(136, 0)));
  EXPECT_TRUE(is_terminal(makedev(4, 64)));
  EXPECT_FALSE(is_terminal(makedev(1, 3)));
  EXPECT_FALSE(is_terminal(makedev(5, 2)));
  EXPECT_TRUE(is_ptmx(makedev(5, 2)));
  EXPECT_TRUE(is_fuse_device(makedev(10, 229)));
  EXPECT_TRUE(is_kvm_device(makedev(10, 232)));
}

}  // namespace
}  // namespace ipcdoctor::linux
