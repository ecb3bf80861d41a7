#include "runtime/native/library_calls.h"

#include <gtest/gtest.h>

#include <vector>

namespace ipcdoctor::runtime::native {
namespace {

std::string call_in(std::initializer_list<const char*> functions) {
  std::vector<snapshot::Frame> frames;
  for (const char* function : functions) frames.emplace_back().function = function;
  return library_call(frames).call;
}

TEST(LibraryCalls, KnowsRustsChannelsAndBarriers) {
  EXPECT_EQ(call_in({"syscall", "std::sync::mpmc::list::Channel<T>::recv",
                     "std::sync::mpsc::Receiver<T>::recv", "main::main"}),
            "mpsc::Receiver::recv");
  EXPECT_EQ(call_in({"<std::sync::mpsc::SyncSender<i32>>::send", "main::main"}),
            "mpsc::SyncSender::send");
  EXPECT_EQ(call_in({"<std::sync::barrier::Barrier>::wait::{closure#0}",
                     "<std::sync::barrier::Barrier>::wait", "main::main"}),
            "Barrier::wait");
}

TEST(LibraryCalls, KnowsNothingOfOtherFunctions) {
  EXPECT_EQ(call_in({"syscall", "std::thread::park", "main::recv", "mine::mpsc::Receiver::recv"}),
            "");
}

}  // namespace
}  // namespace ipcdoctor::runtime::native
