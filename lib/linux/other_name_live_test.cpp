#include "linux/other_name.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <semaphore.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

namespace ipcdoctor::linux {
namespace {

TEST(FindOtherName, OfANamedSemaphore) {
  const std::string name = "/ipcdoctor-test-" + std::to_string(::getpid());
  sem_t* semaphore = ::sem_open(name.c_str(), O_CREAT | O_EXCL, 0600, 1);
  ASSERT_NE(semaphore, SEM_FAILED);
  const auto process = ProcDir::open(Pid{::getpid()});
  ASSERT_TRUE(process);
  const auto maps = read_maps(*process);
  ASSERT_TRUE(maps);
  const Mapping* mapping =
      find_mapping(*maps, RemoteAddr{reinterpret_cast<std::uintptr_t>(semaphore)});
  ASSERT_NE(mapping, nullptr);

  const auto found = find_other_name(*process, *mapping);
  ::sem_unlink(name.c_str());
  const auto later = find_other_name(*process, *mapping);
  ::sem_close(semaphore);

  ASSERT_TRUE(found && later);
  EXPECT_EQ(*found, "/dev/shm/sem." + name.substr(1));
  EXPECT_EQ(*later, std::nullopt);
}

// The kernel calls it "/dev/zero (deleted)", and numbers it among files of a device of its own.
TEST(FindOtherName, OfAnonymousMemoryIsNoDeviceOfThatNumber) {
  struct stat device {};
  ASSERT_EQ(::stat("/dev/null", &device), 0);
  const auto process = ProcDir::open(Pid{::getpid()});
  ASSERT_TRUE(process);
  Mapping mapping;
  mapping.path = "/dev/zero (deleted)";
  mapping.dev = makedev(0, 1);
  mapping.ino = device.st_ino;
  if (device.st_dev == mapping.dev) GTEST_SKIP() << "/dev is that device";

  const auto found = find_other_name(*process, mapping);

  ASSERT_TRUE(found);
  EXPECT_EQ(*found, std::nullopt);
}

}  // namespace
}  // namespace ipcdoctor::linux
