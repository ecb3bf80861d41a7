#include "runtime/go/function_table.h"

#include <gtest/gtest.h>

#include <cstring>
#include <map>

namespace ipcdoctor::runtime::go {
namespace {

constexpr std::uint64_t kTable = 0x10000, kModule = 0x20000, kText = 0x400000;

/// A table of one function, main.main, of 64 bytes: its frame has 24 bytes from its fifth byte on,
/// and its line changes from 10 to 12 there.
class Table {
 public:
  Table() {
    put<std::uint32_t>(kTable, 0xfffffff1);
    put<std::uint8_t>(kTable + 6, 1);
    put<std::uint8_t>(kTable + 7, 8);
    put<std::uint64_t>(kTable + 8, 1);
    const std::uint64_t offsets[] = {0x100, 0x200, 0x300, 0x400, 0x500};
    for (std::size_t i = 0; i < 5; ++i) put(kTable + 32 + 8 * i, offsets[i]);
    put<std::uint64_t>(kModule + 176, kText);
    text(kTable + 0x101, "main.main");
    text(kTable + 0x300, "/src/main.go");
    // pairs of a change of the value, which begins at -1, and of the place
    bytes(kTable + 0x401, {2, 5, 48, 59, 0});  // 0 up to 5, then 24
    bytes(kTable + 0x411, {2, 64, 0});         // file 0
    bytes(kTable + 0x421, {22, 5, 4, 59, 0});  // line 10, then 12
    const std::uint64_t rows = kTable + 0x500;
    const std::uint32_t words[] = {0, 0x40, 64};
    for (std::size_t i = 0; i < 3; ++i) put(rows + 4 * i, words[i]);
    const std::uint64_t record = rows + 0x40;
    put<std::uint32_t>(record + 4, 1);
    put<std::uint32_t>(record + 16, 0x001);
    put<std::uint32_t>(record + 20, 0x011);
    put<std::uint32_t>(record + 24, 0x021);
  }

  template <class T>
  void put(std::uint64_t address, T value) {
    for (std::size_t i = 0; i < sizeof value; ++i) {
      std::byte byte;
      std::memcpy(&byte, reinterpret_cast<const char*>(&value) + i, 1);
      pages_[(address + i) / 4096 * 4096][(address + i) % 4096] = byte;
    }
  }
  void bytes(std::uint64_t address, const std::vector<std::uint8_t>& values) {
    for (const std::uint8_t value : values) put(address++, value);
  }
  void text(std::uint64_t address, const std::string& value) {
    for (const char c : value) put(address++, c);
  }
  linux::ProcessMemory memory() const { return linux::ProcessMemory::from_pages(pages_); }

 private:
  std::map<std::uint64_t, linux::ProcessMemory::Page> pages_;
};

Result<FunctionTable> open(const linux::ProcessMemory& memory) {
  return FunctionTable::open(memory, *find_layout(22), RemoteAddr{kTable}, RemoteAddr{kModule});
}

TEST(GoFunctionTable, NamesAFunctionItsLineAndItsFrame) {
  const auto memory = Table().memory();
  auto table = open(memory);
  ASSERT_TRUE(table);

  const auto* begin = table->find(kText + 4);
  const auto* rest = table->find(kText + 5);

  ASSERT_NE(begin, nullptr);
  ASSERT_NE(rest, nullptr);
  EXPECT_EQ(begin->stack, 0);
  EXPECT_EQ(begin->lines.back().line, 10);
  EXPECT_EQ(rest->stack, 24);
  EXPECT_EQ(rest->lines.back().function, "main.main");
  EXPECT_EQ(rest->lines.back().file, "/src/main.go");
  EXPECT_EQ(rest->lines.back().line, 12);
}

TEST(GoFunctionTable, HasNothingOutsideOfTheText) {
  const auto memory = Table().memory();
  auto table = open(memory);
  ASSERT_TRUE(table);

  EXPECT_EQ(table->find(kText - 1), nullptr);
  EXPECT_EQ(table->find(kText + 64), nullptr);
  EXPECT_EQ(table->find(0), nullptr);
  EXPECT_EQ(table->find(~std::uint64_t{0}), nullptr);
}

TEST(GoFunctionTable, OfAnotherKindIsMalformed) {
  Table magic, count;
  magic.put<std::uint32_t>(kTable, 0xfffffffb);
  count.put<std::uint64_t>(kTable + 8, ~std::uint64_t{0});

  EXPECT_FALSE(open(magic.memory()));
  EXPECT_FALSE(open(count.memory()));
  EXPECT_FALSE(open(linux::ProcessMemory::from_pages({})));
}

TEST(GoFunctionTable, OfNoiseEnds) {
  std::uint32_t seed = 1;
  for (int round = 0; round < 200; ++round) {
    Table table;
    for (int i = 0; i < 40; ++i) {
      seed = seed * 1664525 + 1013904223;
      table.put<std::uint8_t>(kTable + 0x100 + (seed >> 8U) % 0x500,
                              static_cast<std::uint8_t>(seed >> 24U));
    }
    const auto memory = table.memory();
    auto opened = open(memory);
    ASSERT_TRUE(opened);
    for (std::uint64_t pc = kText; pc < kText + 80; pc += 3) (void)opened->find(pc);
  }
}

}  // namespace
}  // namespace ipcdoctor::runtime::go
