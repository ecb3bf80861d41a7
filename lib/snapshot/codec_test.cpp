#include "snapshot/codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "snapshot/testing.h"

namespace ipcdoctor::snapshot {
namespace {

using testing::Builder;

Snapshot two_processes() {
  Builder b;
  b.process(40).thread().waits_for_child(42).at("app.py", 17, "main");
  b.process(42)
      .child_of(40)
      .fd(3, testing::pipe(7), Access::Write)
      .fd(4, testing::pipe(7), Access::Read)
      .thread()
      .reads(4);
  b.object(testing::pipe(7)).queued = 12;
  b.raw().unseen.push_back({Pid{42}, Tid{42}, Error{Cause::Denied, EACCES, "read /proc/42/mem"}});
  return b.build();
}

std::string saved(const Snapshot& snapshot) {
  std::ostringstream out;
  save(out, snapshot);
  return out.str();
}

Result<Snapshot> loaded(const std::string& text) {
  std::istringstream in(text);
  return load(in);
}

TEST(Codec, WhatWasSavedIsLoadedWhole) {
  const Snapshot snapshot = two_processes();

  const Result<Snapshot> copy = loaded(saved(snapshot));

  ASSERT_TRUE(copy);
  EXPECT_EQ(saved(*copy), saved(snapshot));
  EXPECT_EQ(find_thread(*copy, testing::task(42))->wait->objects.at(0).object, testing::pipe(7));
  EXPECT_EQ(copy->unseen.at(0).error.number, EACCES);
  EXPECT_EQ(find_object(*copy, testing::pipe(7))->queued.value(), 12U);
}

TEST(Codec, AMissingFactKeepsItsCause) {
  Builder b;
  b.process(40).thread();
  b.process(40).last().wait = Error{Cause::TimedOut, 0, "read /proc/40/syscall"};

  const Result<Snapshot> copy = loaded(saved(b.build()));

  ASSERT_TRUE(copy);
  EXPECT_EQ(copy->processes.at(0).threads.at(0).wait.error().cause, Cause::TimedOut);
}

TEST(Codec, OtherFilesAreRefusedByCause) {
  EXPECT_EQ(loaded("").error().cause, Cause::Malformed);
  EXPECT_EQ(loaded("{}").error().cause, Cause::Malformed);
  EXPECT_EQ(loaded("[1, 2").error().cause, Cause::Malformed);
  EXPECT_EQ(loaded(R"({"schema": "ipcdoctor/snapshot/1", "snapshot": 3})").error().cause,
            Cause::Malformed);
  EXPECT_EQ(loaded(R"({"schema": "ipcdoctor/snapshot/9", "snapshot": {}})").error().cause,
            Cause::Unsupported);
}

TEST(Codec, AnEnumeratorThatDoesNotExistIsRefused) {
  std::string text = saved(two_processes());
  const auto at = text.find("\"kind\":9");
  ASSERT_NE(at, std::string::npos);
  text.replace(at, 8, "\"kind\":99");

  EXPECT_FALSE(loaded(text));
}

TEST(Codec, AFileThatWasReorderedIsSortedAgain) {
  Snapshot snapshot = two_processes();
  std::swap(snapshot.processes.at(0), snapshot.processes.at(1));

  const Result<Snapshot> copy = loaded(saved(snapshot));

  ASSERT_TRUE(copy);
  EXPECT_NE(find_process(*copy, Pid{40}), nullptr);
  EXPECT_NE(find_process(*copy, Pid{42}), nullptr);
}

}  // namespace
}  // namespace ipcdoctor::snapshot
