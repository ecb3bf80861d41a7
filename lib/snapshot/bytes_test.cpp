#include "snapshot/bytes.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

#include "snapshot/codec.h"

namespace ipcdoctor::snapshot {
namespace {

std::string saved(const Snapshot& snapshot) {
  std::ostringstream out;
  save(out, snapshot);
  return out.str();
}

/// What was recorded of real programs: all kinds of objects, waits and stacks.
std::vector<Snapshot> recorded() {
  std::vector<Snapshot> snapshots;
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(IPCDOCTOR_TESTDATA "/snapshots")) {
    if (entry.path().extension() != ".json") continue;
    std::ostringstream text;
    text << std::ifstream(entry.path()).rdbuf();
    auto all = load_all(text.str());
    if (all) snapshots.push_back(std::move(all->at(0)));
  }
  return snapshots;
}

TEST(Bytes, WhatWasEncodedIsDecodedWhole) {
  const auto snapshots = recorded();
  ASSERT_GT(snapshots.size(), 10U);
  for (const Snapshot& snapshot : snapshots) {
    const auto copy = decode(encode(snapshot));

    ASSERT_TRUE(copy);
    EXPECT_EQ(saved(*copy), saved(snapshot));
  }
}

TEST(Bytes, AnErrorIsDecodedAsItself) {
  const auto copy = decode(encode(Error{Cause::Denied, EACCES, "read /proc/42/mem"}));

  ASSERT_FALSE(copy);
  EXPECT_EQ(copy.error().cause, Cause::Denied);
  EXPECT_EQ(copy.error().number, EACCES);
  EXPECT_EQ(copy.error().what, "read /proc/42/mem");
}

TEST(Bytes, NoPrefixIsAWholeSnapshot) {
  const std::string bytes = encode(recorded().at(0));

  for (std::size_t length = 0; length < bytes.size(); length += 7) {
    EXPECT_FALSE(decode(bytes.substr(0, length))) << length;
  }
  EXPECT_FALSE(decode(bytes + "x"));
}

TEST(Bytes, DamagedBytesNeverCrash) {
  const std::string bytes = encode(recorded().at(0));
  std::mt19937 random(7);
  for (int i = 0; i < 2000; ++i) {
    std::string damaged = bytes;
    for (int n = 0; n < 4; ++n) damaged[random() % damaged.size()] = static_cast<char>(random());
    (void)decode(damaged);  // whatever it says, within bounds
  }
}

TEST(Bytes, AHugeLengthTakesNoMemory) {
  std::string bytes = encode(NamedStacks{});
  bytes.assign(4, '\xff');

  EXPECT_FALSE(decode_stacks(bytes));
}

}  // namespace
}  // namespace ipcdoctor::snapshot
