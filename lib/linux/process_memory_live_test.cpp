#include "linux/process_memory.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <cstring>

#include "linux/address_space.h"
#include "linux/testing.h"

namespace ipcdoctor::linux {
namespace {

using testing::Child;
using testing::Pipe;

RemoteAddr address_of(const void* pointer) {
  return RemoteAddr{reinterpret_cast<std::uint64_t>(pointer)};
}

TEST(ProcessMemory, ReadsWhatTheChildWrote) {
  const Pipe ready;
  const std::size_t size = std::size_t{3} * 4096;
  auto* area = static_cast<char*>(
      ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  ASSERT_NE(static_cast<void*>(area), MAP_FAILED);
  const Child child([&] {
    std::memset(area, 'a', size);  // a copy over fork: the test's own pages stay 0
    std::memcpy(area + 4090, "across two pages", sizeof "across two pages");
    return ::write(ready.writer(), "x", 1) == 1 ? ::pause() : 1;
  });
  char byte = 0;
  ASSERT_EQ(::read(ready.reader(), &byte, 1), 1);
  const auto memory = ProcessMemory::open(*child.dir());
  ASSERT_TRUE(memory) << to_string(memory.error());

  EXPECT_EQ(*memory->read_object<char>(address_of(area)), 'a');
  EXPECT_EQ(*memory->read_string(address_of(area + 4090)), "across two pages");
  EXPECT_EQ(*memory->read_string(address_of(area + 4090), 6), "across");
  EXPECT_EQ(*memory->read_u32(address_of(area + 8)), 0x61616161U);
  EXPECT_EQ(area[0], 0);
}

TEST(ProcessMemory, FetchesAheadWhatIsThereAndReadsTheRestAsAlways) {
  const Pipe ready;
  const std::size_t size = std::size_t{4} * 4096;
  auto* area = static_cast<char*>(
      ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  ASSERT_NE(static_cast<void*>(area), MAP_FAILED);
  ASSERT_EQ(::munmap(area + 4096, 4096), 0);
  const Child child([&] {
    for (const int page : {0, 2, 3}) area[page * 4096] = static_cast<char>('a' + page);
    return ::write(ready.writer(), "x", 1) == 1 ? ::pause() : 1;
  });
  char byte = 0;
  ASSERT_EQ(::read(ready.reader(), &byte, 1), 1);
  const auto memory = ProcessMemory::open(*child.dir());
  ASSERT_TRUE(memory);
  const std::uint64_t start = address_of(area).value;

  const std::vector pages{start, start + 4096, start + std::uint64_t{8192}};
  const auto fetched = deputy::fetch_pages(std::vector{child.pid().value}, pages);
  ASSERT_EQ(fetched.size(), 1);
  memory->take(fetched[0]);

  EXPECT_TRUE(memory->used_pages().empty());
  EXPECT_EQ(memory->recorded_pages().size(), 2);
  EXPECT_EQ(*memory->read_object<char>(address_of(area)), 'a');
  EXPECT_EQ(*memory->read_object<char>(address_of(area + 8192)), 'c');
  EXPECT_EQ(*memory->read_object<char>(address_of(area + 12288)), 'd');
  EXPECT_FALSE(memory->read_u64(address_of(area + 4096)));
  EXPECT_EQ(memory->used_pages(), (std::vector{start, start + 8192, start + 12288}));
}

TEST(ProcessMemory, AnUnmappedOrImpossibleAddressIsAnError) {
  void* hole = ::mmap(nullptr, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_EQ(::munmap(hole, 4096), 0);
  const Child child([] { return ::pause(); });
  const auto memory = ProcessMemory::open(*child.dir());
  ASSERT_TRUE(memory);

  EXPECT_FALSE(memory->read_u64(address_of(hole)));
  EXPECT_FALSE(memory->read_u64(RemoteAddr{0}));
  EXPECT_FALSE(memory->read_u64(RemoteAddr{~std::uint64_t{0} - 3}));
  EXPECT_FALSE(memory->read_u64(RemoteAddr{std::uint64_t{1} << 63}));
  EXPECT_FALSE(memory->read_string(address_of(hole)));
  EXPECT_FALSE(memory->read_string(RemoteAddr{std::uint64_t{1} << 63}));
  EXPECT_TRUE(memory->failure()) << "what cannot be there is no gap in what was seen";
}

TEST(AddressSpace, AGuardPageWithinPlainMemoryIsNoGap) {
  constexpr int kInstallGuard = 102;  // MADV_GUARD_INSTALL of linux/mman.h, Linux 6.13
  constexpr std::size_t kPage = 4096;
  auto* area = static_cast<char*>(
      ::mmap(nullptr, 3 * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  std::memset(area, 1, 3 * kPage);
  if (::madvise(area + kPage, kPage, kInstallGuard) != 0) GTEST_SKIP() << "no such pages here";
  const Child child([] { return ::pause(); });
  auto space = AddressSpace::open(child.pid());
  ASSERT_TRUE(space);

  EXPECT_TRUE(space->memory.read_u64(address_of(area)));
  EXPECT_FALSE(space->memory.read_u64(address_of(area + kPage)));
  EXPECT_TRUE(space->read_failure());
  EXPECT_EQ(::munmap(area, 3 * kPage), 0);
}

TEST(ProcessMemory, SeesNothingOfTheProgramAfterAnExec) {
  const Pipe go, input;
  static int before_exec = 4711;
  Child child([&] {
    char byte = 0;
    if (::read(go.reader(), &byte, 1) != 1) return 1;
    ::dup2(input.reader(), 0);
    ::execlp("cat", "cat", nullptr);
    return 1;
  });
  const auto memory = ProcessMemory::open(*child.dir());
  ASSERT_TRUE(memory);
  ASSERT_EQ(*memory->read_object<int>(address_of(&before_exec)), 4711);
  ASSERT_EQ(::write(go.writer(), "x", 1), 1);
  ASSERT_TRUE(testing::eventually([&] { return read_stat(*child.dir())->comm == "cat"; }));
  memory->drop_cache();

  EXPECT_TRUE(testing::eventually([&] {
    memory->drop_cache();
    const auto value = memory->read_object<int>(address_of(&before_exec));
    return !value && value.error().cause == Cause::Gone;
  }));
  const std::uint64_t stack = read_stat(*child.dir())->start_stack / 4096 * 4096;
  const auto fetched = deputy::fetch_pages(std::vector{child.pid().value}, std::span(&stack, 1));
  ASSERT_EQ(fetched.size(), 1);
  memory->take(fetched[0]);
  EXPECT_TRUE(memory->recorded_pages().empty());
}

/// Makes every first touch of the area wait for a server that never comes. @return false if that is
/// not allowed.
bool guard_with_userfaultfd(void* area, std::size_t size) {
  const int server = static_cast<int>(::syscall(SYS_userfaultfd, O_CLOEXEC));
  uffdio_api api{};
  api.api = UFFD_API;
  uffdio_register range{};
  range.range = {reinterpret_cast<std::uint64_t>(area), size};
  range.mode = UFFDIO_REGISTER_MODE_MISSING;
  return server >= 0 && ::ioctl(server, UFFDIO_API, &api) == 0 &&
         ::ioctl(server, UFFDIO_REGISTER, &range) == 0;
}

TEST(ProcessMemory, DoesNotWaitForAUserfaultfdServer) {
  const Pipe ready;
  void* area = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(area, MAP_FAILED);
  const Child child([&] {
    return ::write(ready.writer(), guard_with_userfaultfd(area, 4096) ? "y" : "n", 1) == 1
               ? ::pause()
               : 1;
  });
  char answer = 0;
  ASSERT_EQ(::read(ready.reader(), &answer, 1), 1);
  if (answer != 'y') GTEST_SKIP() << "no userfaultfd here";

  Child reader([&] {
    const auto memory = ProcessMemory::open(*child.dir());
    return memory && !memory->read_u64(address_of(area)) ? 0 : 1;
  });

  ASSERT_TRUE(testing::eventually([&] { return reader.state() == 'Z'; }));
  EXPECT_EQ(reader.wait(), 0);
}

}  // namespace
}  // namespace ipcdoctor::linux
