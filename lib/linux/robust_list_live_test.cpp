#include "linux/robust_list.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <unistd.h>

#include "linux/testing.h"

namespace ipcdoctor::linux {
namespace {

pthread_mutex_t robust_a, robust_b, plain;

RemoteAddr address_of(const pthread_mutex_t& mutex) {
  return RemoteAddr{reinterpret_cast<std::uint64_t>(&mutex)};
}

TEST(RobustList, HasTheRobustMutexesThatAThreadHolds) {
  pthread_mutexattr_t robust;
  pthread_mutexattr_init(&robust);
  pthread_mutexattr_setrobust(&robust, PTHREAD_MUTEX_ROBUST);
  pthread_mutex_init(&robust_a, &robust);
  pthread_mutex_init(&robust_b, &robust);
  const testing::Child child([] {
    pthread_mutex_lock(&plain);
    pthread_mutex_lock(&robust_a);
    pthread_mutex_lock(&robust_b);
    for (;;) ::pause();
    return 0;
  });
  ASSERT_TRUE(testing::eventually([&] { return child.state() == 'S'; }));
  const auto memory = ProcessMemory::open(*child.dir());
  ASSERT_TRUE(memory);

  const auto words = read_robust_list(child.tid(), *memory);

  ASSERT_TRUE(words) << to_string(words.error());
  EXPECT_THAT(*words, ::testing::UnorderedElementsAre(address_of(robust_a), address_of(robust_b)));
}

TEST(RobustList, NobodyOfThatNumber) {
  const auto memory = ProcessMemory::from_pages({});

  EXPECT_EQ(read_robust_list(Tid{4194303}, memory).error().cause, Cause::Gone);
}

}  // namespace
}  // namespace ipcdoctor::linux
