#include "snapshot/codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "snapshot/testing.h"

namespace ipcdoctor::snapshot {
namespace {

using nlohmann::json;
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
  auto all = load_all(text);
  if (!all) return all.error();
  return all->at(0);
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

TEST(Codec, WhatIsAsInTheOneBeforeIsWrittenOnce) {
  const auto size_with = [](int threads) {
    Builder b;
    auto process = b.process(40).fd(4, testing::pipe(7)).thread().reads(4).at("app.py", 9, "work");
    for (int n = 1; n < threads; ++n) process.thread(40 + n).reads(4).at("app.py", 9, "work");
    process.thread(1000).at("app.py", 3, "main");
    const Snapshot snapshot = b.build();
    const std::string text = saved(snapshot);
    const Result<Snapshot> copy = loaded(text);
    EXPECT_TRUE(copy && saved(*copy) == text);
    EXPECT_EQ(where(copy->processes.at(0).threads.back()), "app.py:3");
    EXPECT_FALSE(copy->processes.at(0).threads.back().wait);
    return text.size();
  };

  EXPECT_LT(size_with(200) - size_with(100), 100 * 40U);
}

TEST(Codec, AlikeProcessesAreWrittenOnceWithTheirThreads) {
  const auto size_with = [](int processes) {
    Builder b;
    for (int n = 0; n < processes; ++n)
      b.process(40 + n).fd(4, testing::pipe(7)).thread().reads(4).at("app.py", 9, "work");
    b.process(1000);
    b.process(1001).thread().at("app.py", 3, "main");
    const std::string text = saved(b.build());
    const Result<Snapshot> copy = loaded(text);
    EXPECT_TRUE(copy && saved(*copy) == text);
    EXPECT_EQ(where(copy->processes.at(processes - 1).threads.at(0)), "app.py:9");
    EXPECT_TRUE(copy->processes.at(processes).threads.empty());
    return text.size();
  };

  EXPECT_LT(size_with(200) - size_with(100), 100 * 120U);
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
  EXPECT_EQ(loaded(R"({"schema": "ipcdoctor/snapshot/3", "snapshot": 3})").error().cause,
            Cause::Malformed);
  EXPECT_EQ(loaded(R"({"schema": "ipcdoctor/snapshot/9", "snapshot": {}})").error().cause,
            Cause::Unsupported);
}

TEST(Codec, EnumeratorsAreNamesAndOthersAreUnknown) {
  const std::string text = saved(two_processes());
  const std::string kind = "\"kind\":\"Child\"";
  ASSERT_NE(text.find(kind), std::string::npos);
  const auto with = [&](const char* other) {
    std::string changed = text;
    return loaded(changed.replace(text.find(kind), kind.size(), other));
  };
  for (const char* other : {"\"kind\":9", "\"kind\":null"}) EXPECT_FALSE(with(other)) << other;

  const Result<Snapshot> newer = with("\"kind\":\"Nephew\"");
  ASSERT_TRUE(newer) << "a word of a newer version";
  EXPECT_EQ(newer->processes.at(0).threads.at(0).wait->kind, WaitKind::Unknown);

  std::string changed = text;
  const std::string scope = "\"scope\":\"Target\"";
  ASSERT_NE(text.find(scope), std::string::npos);
  changed.replace(text.find(scope), scope.size(), "\"scope\":\"Moon\"");
  EXPECT_FALSE(loaded(changed)) << "every scope means something";
}

TEST(Codec, WhatWasCalledOtherwiseBeforeIsRead) {
  Snapshot snapshot = two_processes();
  snapshot.processes[0].interpreter.version = "3.11.2";
  std::string text = saved(snapshot);
  const std::string now = "\"interpreter\":";
  ASSERT_NE(text.find(now), std::string::npos);
  text.replace(text.find(now), now.size(), "\"python\":");

  const Result<Snapshot> copy = loaded(text);

  ASSERT_TRUE(copy);
  EXPECT_EQ(copy->processes.at(0).interpreter.version, "3.11.2");
}

TEST(Codec, ANumberThatIsNotWholeIsRefusedWhereWeWriteWholeOnes) {
  for (const char* number : {"1e308", "-1e308", "0.5"}) {
    std::string text = saved(two_processes());
    const auto at = text.find("\"pid\":40");
    ASSERT_NE(at, std::string::npos);
    text.replace(at, 8, std::string("\"pid\":") + number);

    EXPECT_FALSE(loaded(text)) << number;
  }
  Snapshot snapshot = two_processes();
  snapshot.elapsed_ms = 12.5;
  EXPECT_TRUE(loaded(saved(snapshot)));
}

TEST(Codec, AFileThatWasReorderedIsSortedAgain) {
  Snapshot snapshot = two_processes();
  std::swap(snapshot.processes.at(0), snapshot.processes.at(1));

  const Result<Snapshot> copy = loaded(saved(snapshot));

  ASSERT_TRUE(copy);
  EXPECT_NE(find_process(*copy, Pid{40}), nullptr);
  EXPECT_NE(find_process(*copy, Pid{42}), nullptr);
}

TEST(Codec, WhatIsNestedWithoutEndIsNoSnapshot) {  // else the stack had one
  const auto nested = [](const std::string& open, const std::string& close) {
    std::string text = "{\"schema\":\"ipcdoctor/snapshot/3\",\"snapshot\":";
    for (int i = 0; i < 1'000'000; ++i) text += open;
    text += "1";
    for (int i = 0; i < 1'000'000; ++i) text += close;
    return text + "}";
  };

  EXPECT_FALSE(load_all(nested("[", "]")));
  EXPECT_FALSE(load_all(nested("{\"a\":", "}")));
}

TEST(Codec, AStringLongerThanAnyOfOursIsNoSnapshot) {  // else its copies took the memory
  const std::string text = saved(two_processes());
  const std::string padding(std::size_t{2} << 20, 'x');
  const std::string key = "\"host\":\"";
  ASSERT_NE(text.find(key), std::string::npos);
  std::string padded = text;
  padded.insert(text.find(key) + key.size(), padding);

  EXPECT_FALSE(load_all(padded));
  // as ansible-playbook keeps what a command printed
  EXPECT_TRUE(load_all(json{{"stdout", text + "\n" + padding}}.dump()));
}

TEST(Codec, AFileOfManyLinesIsReadLineByLine) {  // else this would take minutes
  const std::string lines(std::size_t{1} << 19U, '\n');

  EXPECT_FALSE(load_all(lines));
  const auto found = load_all(lines + "h1: " + saved(two_processes()));

  ASSERT_TRUE(found);
  EXPECT_EQ(found->size(), 1U);
}

}  // namespace
}  // namespace ipcdoctor::snapshot
