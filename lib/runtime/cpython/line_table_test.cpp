#include "runtime/cpython/line_table.h"

#include <gtest/gtest.h>

#include <random>
#include <string_view>
#include <utility>
#include <vector>

namespace ipcdoctor::runtime::cpython {
namespace {

// The tables that 3.9.18, 3.10.13 and 3.11.7 made of this function, which begins in line 3 of its
// file:
//   def f(q,                       for i in x:                 except ValueError:
//         n=1):                        with q:                     pass
//       x = [                              try:            return (q
//           q,                                 q.put(              .get())
//           n                                      i,
//       ]                                          timeout=n)
template <std::size_t N>
std::vector<std::uint8_t> bytes(const char (&text)[N]) {
  return {text, text + N - 1};
}

using Lines = std::vector<std::pair<std::uint64_t, int>>;  // from this offset on, this line (as dis
                                                           // and co_lines() say)

template <class Decode>
void expect_lines(const Decode& decode, const std::vector<std::uint8_t>& table, const Lines& lines,
                  std::uint64_t size) {
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const std::uint64_t end = i + 1 < lines.size() ? lines[i + 1].first : size;
    for (std::uint64_t offset = lines[i].first; offset < end; offset += 2) {
      EXPECT_EQ(decode(table, 3, offset), lines[i].second) << "offset " << offset;
    }
  }
}

}  // namespace

TEST(LineTable, ReadsLnotabOf39) {
  expect_lines(line_in_lnotab,
               bytes("\x00\x03\x02\x01\x02\xfe\x04\x04\x08\x01\x06\x01\x02\x01\x04\x01\x02\x01\x02"
                     "\xfe\x0a\x03\x0c\x01\x26\x01"),
               {{0, 6},
                {2, 7},
                {4, 5},
                {8, 9},
                {16, 10},
                {22, 11},
                {24, 12},
                {28, 13},
                {30, 14},
                {32, 12},
                {42, 15},
                {54, 16},
                {92, 17}},
               100);
}

TEST(LineTable, ReadsLinetableOf310) {
  expect_lines(line_in_linetable_3_10,
               bytes("\x02\x03\x02\x01\x04\xfe\x08\x04\x06\x01\x02\x01\x04\x01\x02\x01\x02\x01\x0a"
                     "\xfe\x0c\x03\x04\x01\x02\xff"
                     "\x02\x80\x1c\xfb\x02\x80\x02\x07\x04\x01\x02\xff"),
               {{0, 6},
                {2, 7},
                {4, 5},
                {8, 9},
                {16, 10},
                {22, 11},
                {24, 12},
                {28, 13},
                {30, 14},
                {32, 12},
                {42, 15},
                {54, 16},
                {58, 15},
                {60, 0},
                {62, 10},
                {90, 0},
                {92, 17},
                {94, 18},
                {98, 17}},
               100);
}

TEST(LineTable, ReadsLocationsOf311) {
  expect_lines(line_in_locations,
               bytes("\x80\x00\xf0\x06\x00\x09\x0a\xd8\x08\x09\xf0\x05\x03\x09\x06\x80\x41\xf0\x08"
                     "\x00\x0e\x0f\xf0\x00\x07\x05\x15\xf0"
                     "\x00\x07\x05\x15\x88\x01\xd8\x0d\x0e\xf0\x00\x06\x09\x15\xf0\x00\x06\x09\x15"
                     "\xf0\x02\x05\x0d\x15\xd8\x10\x11\x97"
                     "\x05\x92\x05\xd8\x14\x15\xd8\x1c\x1d\xf0\x05\x00\x11\x16\xf1\x00\x02\x11\x1f"
                     "\xf4\x00\x02\x11\x1f\xf0\x00\x02\x11"
                     "\x1f\xf0\x00\x02\x11\x1f\xf8\xf5\x06\x00\x14\x1e\xf0\x00\x01\x0d\x15\xf0\x00"
                     "\x01\x0d\x15\xf0\x00\x01\x0d\x15\xd8"
                     "\x10\x14\x90\x04\xf0\x03\x01\x0d\x15\xf8\xf8\xf8\xf0\x0b\x06\x09\x15\xf0\x00"
                     "\x06\x09\x15\xf0\x00\x06\x09\x15\xf1"
                     "\x00\x06\x09\x15\xf4\x00\x06\x09\x15\xf0\x00\x06\x09\x15\xf0\x00\x06\x09\x15"
                     "\xf0\x00\x06\x09\x15\xf0\x00\x06\x09"
                     "\x15\xf0\x00\x06\x09\x15\xf0\x00\x06\x09\x15\xf8\xf8\xf8\xf0\x00\x06\x09\x15"
                     "\xf0\x00\x06\x09\x15\xf0\x00\x06\x09"
                     "\x15\xf0\x00\x06\x09\x15\xf8\xf0\x0e\x00\x0d\x0e\xdf\x0d\x10\x8a\x53\x89\x55"
                     "\x8c\x55\xf0\x03\x01\x05\x14"),
               {{0, 3},    {2, 6},   {4, 7},    {6, 5},   {10, 9},   {18, 10},  {24, 11}, {26, 12},
                {50, 13},  {52, 14}, {54, 12},  {74, 0},  {76, 15},  {94, 16},  {98, 15}, {100, 0},
                {106, 10}, {138, 0}, {144, 10}, {152, 0}, {154, 17}, {156, 18}, {192, 17}},
               194);
}

TEST(LineTable, ReadsHandlerDepthsOf311) {
  const auto table = bytes(
      "\x8b\x01\x41\x01\x05\x8d\x17\x25\x04\xa4\x01\x41\x01\x05\xa5\x0a\x32\x07\xaf\x02\x41\x01\x05"
      "\xb1\x01\x32\x07\xb2\x03"
      "\x41\x01\x05\xc1\x01\x04\x41\x05\x09\xc1\x08\x01\x41\x05\x09");
  EXPECT_EQ(handler_depth(table, 20),
            std::nullopt);  // BEFORE_WITH itself: the lock is not held yet
  EXPECT_EQ(handler_depth(table, 22), 2U);
  EXPECT_EQ(handler_depth(table, 40), 2U);             // q.put() within try within with
  EXPECT_EQ(handler_depth(table, 80), 3U);             // the except clause
  EXPECT_EQ(handler_depth(table, 110), std::nullopt);  // the call of __exit__ at the end
  EXPECT_EQ(handler_depth(table, 134), 4U);
  EXPECT_EQ(handler_depth(table, 160), std::nullopt);
}

TEST(LineTable, EndsOnAnyBytes) {
  std::mt19937 random(1);
  for (int round = 0; round < 5000; ++round) {
    std::vector<std::uint8_t> table(random() % 64);
    for (auto& byte : table) byte = static_cast<std::uint8_t>(random());
    const std::uint64_t offset = random() % 4096;
    for (const int line :
         {line_in_lnotab(table, 1, offset), line_in_linetable_3_10(table, 1, offset),
          line_in_locations(table, 1, offset)}) {
      EXPECT_GE(line, 0);
    }
    (void)handler_depth(table, offset);  // only that it returns
  }
}

}  // namespace ipcdoctor::runtime::cpython
