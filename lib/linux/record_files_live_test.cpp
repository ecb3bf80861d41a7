#include "linux/record_files.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "linux/testing.h"

namespace ipcdoctor::linux {
namespace {

using testing::Child;

std::size_t own_descriptors() {
  const auto self = ProcDir::open(Pid{::getpid()});
  return self->list_numbers("fd")->size();
}

int wait_for_signal() {
  for (;;) ::pause();
}

TEST(RecordFiles, SeesWhatChangesInAnOpenFile) {
  auto files = RecordFiles::open_system();
  ASSERT_TRUE(files);
  const Child child(wait_for_signal);
  const std::string name = std::to_string(child.pid().value) + "/stat";
  ASSERT_TRUE(testing::eventually([&] { return child.state() == 'S'; }));
  const auto before = files->read(name);

  ::kill(child.pid().value, SIGSTOP);

  ASSERT_TRUE(testing::eventually([&] { return child.state() == 'T'; }));
  const auto after = files->read(name);
  ASSERT_TRUE(before && after);
  EXPECT_EQ(parse_stat(*before)->state, 'S');
  EXPECT_EQ(parse_stat(*after)->state, 'T');
}

TEST(RecordFiles, AnEndedTaskIsGone) {
  auto files = RecordFiles::open_system();
  ASSERT_TRUE(files);
  std::string name;
  {
    const Child child(wait_for_signal);
    name = std::to_string(child.pid().value) + "/stat";
    ASSERT_TRUE(files->read(name));
  }

  const auto gone = files->read(name);

  ASSERT_FALSE(gone);
  EXPECT_EQ(gone.error().cause, Cause::Gone);
}

TEST(RecordFiles, KeepsOpenWhatIsReadInEachRoundAndNoMoreThanAllowed) {
  const std::size_t before = own_descriptors();
  {
    RecordFiles files(*ProcDir::open_system(), 2);
    for (const char* name : {"1/stat", "self/stat", "self/status", "self/schedstat"})
      EXPECT_TRUE(files.read(name)) << name;
    EXPECT_EQ(own_descriptors(), before + 3);  // two files and /proc
    files.end_round();
    EXPECT_TRUE(files.read("self/stat"));
    files.end_round();
    EXPECT_EQ(own_descriptors(), before + 2);
  }
  EXPECT_EQ(own_descriptors(), before);
}

}  // namespace
}  // namespace ipcdoctor::linux
