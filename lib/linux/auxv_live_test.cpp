#include "linux/auxv.h"

#include <gtest/gtest.h>

#include "linux/namespaces.h"
#include "linux/proc_syscall.h"
#include "linux/testing.h"

namespace ipcdoctor::linux {
namespace {

using testing::Child;

Result<ImageStamp> stamp_of(Pid pid) {
  const auto process = ProcDir::open(pid);
  if (!process) return process.error();
  const auto memory = ProcessMemory::open(*process);
  if (!memory) return memory.error();
  return read_image_stamp(*process, *memory);
}

bool has_stamp_of(Pid pid, const ImageStamp& stamp) {
  const auto process = ProcDir::open(pid);
  return process && has_stamp(*ProcessMemory::open(*process), stamp);
}

TEST(ImageStamp, IsKeptByForkAndChangedByExec) {
  const testing::Pipe pipe;
  const Child copy([] { return ::pause(); });
  const Child other([&] {
    ::dup2(pipe.reader(), 0);
    ::execlp("cat", "cat", nullptr);
    return 1;
  });
  const auto is_in_read = [&] {  // of its standard input: the exec is over by then
    const auto call = read_syscall(*other.dir());
    return call && call->nr == 0 && call->args[0] == 0 && read_stat(*other.dir())->comm == "cat";
  };
  ASSERT_TRUE(testing::eventually(is_in_read));
  const auto ours = stamp_of(Pid{::getpid()});

  ASSERT_TRUE(ours);
  EXPECT_TRUE(has_stamp_of(Pid{::getpid()}, *ours));
  EXPECT_TRUE(has_stamp_of(copy.pid(), *ours));
  EXPECT_FALSE(has_stamp_of(other.pid(), *ours));
}

TEST(Namespaces, AChildIsInOurs) {
  const Child child([] { return ::pause(); });
  const auto process = ProcDir::open(Pid{::getpid()});
  const Namespaces ours = read_namespaces(*process), theirs = read_namespaces(*child.dir());

  ASSERT_TRUE(ours.pid && theirs.pid && ours.net && theirs.net);
  EXPECT_EQ(*ours.pid, *theirs.pid);
  EXPECT_EQ(*ours.net, *theirs.net);
  EXPECT_EQ(*in_init_pid_namespace(), *ours.pid == kInitPidNamespace);
}

}  // namespace
}  // namespace ipcdoctor::linux
