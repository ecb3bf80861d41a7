#include "runtime/cpython/library_words.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <sstream>

#include "snapshot/enumerators.h"

namespace ipcdoctor::runtime::cpython {
namespace {

using snapshot::enumerator;

snapshot::Activity words_of(std::string call, std::string type = "", std::string name = "") {
  snapshot::Activity activity;
  activity.call = std::move(call);
  activity.object.type = std::move(type);
  activity.object.name = std::move(name);
  add_words(activity);
  return activity;
}

TEST(LibraryWords, TellWhatACallIsForByItsRowAndByTheTypeOfItsObject) {
  const auto get = words_of("queue.Queue.get", "queue.Queue", "jobs");
  EXPECT_EQ(get.operation, Operation::Take);
  EXPECT_EQ(get.object.kind, Resource::Queue);
  EXPECT_EQ(get.object.reach, Whom::Memory);
  EXPECT_EQ(get.wants, "an item of queue.Queue `jobs`");
  EXPECT_EQ(words_of("asyncio.Queue.get").wants, "an item of an asyncio.Queue");
  EXPECT_TRUE(words_of("asyncio.Queue.get").in_loop);

  const auto lock = words_of("multiprocessing.Lock.acquire");
  EXPECT_EQ(lock.operation, Operation::Acquire);
  EXPECT_EQ(lock.object.reach, Whom::Tree);
}

TEST(LibraryWords, OfAServersThreadTellWhatItsClientWaitsFor) {
  snapshot::Activity activity;
  activity.call = "Manager.serve.method";
  activity.object.type = "threading.Event";
  activity.object.texts.set(snapshot::Text::Method, "wait");

  add_words(activity);

  EXPECT_EQ(activity.operation, Operation::AwaitSignal);
  EXPECT_EQ(activity.part, Part::Server);
  EXPECT_FALSE(snapshot::is_idle(activity));
  EXPECT_TRUE(snapshot::is_idle(words_of("Manager.serve")));
}

TEST(LibraryWords, TakeNothingForGrantedOfAnUnknownCall) {
  const auto other = words_of("mylib.Thing.frob");
  EXPECT_EQ(other.operation, Operation::None);
  EXPECT_EQ(other.object.kind, Resource::Unknown);
  EXPECT_EQ(other.part, Part::Program);
}

std::string row_of(const CallWords& row) {
  const snapshot::Activity words = words_of(std::string(row.call));
  std::ostringstream text;
  text << "| " << row.call << " | " << enumerator(row.operation) << " | " << enumerator(row.part)
       << " | " << enumerator(words.object.kind) << " | " << enumerator(words.object.reach) << " | "
       << words.wants << " |\n";
  return text.str();
}

/// What is wrong with the page is told by what it should be.
TEST(LibraryWords, StandOnThePageOfObjects) {
  std::string table;
  for (const CallWords& row : kCalls) table += row_of(row);
  std::ifstream file(IPCDOCTOR_SOURCE "/lib/runtime/cpython/objects.md");
  std::ostringstream page;
  page << file.rdbuf();

  EXPECT_THAT(page.str(), testing::HasSubstr("|---|---|---|---|---|---|\n" + table + "\n"));
}

TEST(LibraryWords, OfACallAndOfATypeStandThereOnce) {
  std::set<std::string_view> names;
  for (const CallWords& row : kCalls) EXPECT_TRUE(names.insert(row.call).second) << row.call;
  for (const KnownType& row : kTypes) EXPECT_TRUE(names.insert(row.type).second) << row.type;
}

}  // namespace
}  // namespace ipcdoctor::runtime::cpython
