#include "linux/other_name.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <semaphore.h>
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

}  // namespace
}  // namespace ipcdoctor::linux
