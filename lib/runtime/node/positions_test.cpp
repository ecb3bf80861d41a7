#include "runtime/node/positions.h"

#include <gtest/gtest.h>

#include <array>
#include <random>
#include <vector>

namespace ipcdoctor::runtime::node {
namespace {

/// As Node 20 makes it of `function ask(port) { const result = spawnSync(...); ... }` at 91.
constexpr std::array<std::uint8_t, 8> kTable = {
    0x01,        // expression, +0
    0xf0, 0x02,  // +184: position 91
    0x02,        // statement, +1
    0x68,        // +52: position 117
    0x44,        // statement, +34
    0x00,        // the same position
};

TEST(PositionsTest, AreThoseOfTheCallItself) {
  const auto table = std::span(kTable).first(7);

  EXPECT_EQ(position_of(table, 0, 500), 91);
  EXPECT_EQ(position_of(table, 1, 500), 117);
  EXPECT_EQ(position_of(table, 35, 500), 117);
}

TEST(PositionsTest, AreNotThoseOfANeighbour) {
  EXPECT_EQ(position_of(std::span(kTable).first(7), 34, 500), std::nullopt);
}

TEST(PositionsTest, ATableThatLeadsBeyondTheSourceIsNone) {
  EXPECT_EQ(position_of(std::span(kTable).first(7), 0, 100), std::nullopt);
}

TEST(PositionsTest, ATruncatedTableIsNone) {
  EXPECT_EQ(position_of(std::span(kTable).first(6), 0, 500), std::nullopt);
  EXPECT_EQ(position_of({}, 0, 500), std::nullopt);
}

TEST(PositionsTest, SurvivesAnything) {
  std::mt19937 random(3);
  for (int round = 0; round < 20'000; ++round) {
    std::vector<std::uint8_t> table(random() % 40);
    for (std::uint8_t& byte : table) byte = static_cast<std::uint8_t>(random());
    const auto position = position_of(table, static_cast<std::int64_t>(random() % 64), 1000);
    EXPECT_LE(position.value_or(0), 1000);
  }
}

}  // namespace
}  // namespace ipcdoctor::runtime::node
