#pragma once

#include "collect/system.h"
#include "runtime/native/reader.h"
#include "unwind/unwind.h"

namespace ipcdoctor::collect {

/// Fills Thread::next and Thread::housekeeping of the threads of a process that are no Python
/// threads, and the native handlers among Process::handlers. After the stacks.
class NativeCode {
 public:
  NativeCode(System& system, unwind::Images& images)
      : system_(system), images_(images), reader_(images.cache()) {}

  void read(ProcessEntry& process, linux::AddressSpace& space);

 private:
  struct Stacks;
  void read_handlers(ProcessEntry& process, linux::AddressSpace& space);
  void read_thread(ProcessEntry& process, linux::AddressSpace& space, ThreadEntry& thread,
                   Stacks& stacks);
  unwind::Registers registers_of(const ThreadEntry& thread, bool all);

  System& system_;
  unwind::Images& images_;
  runtime::native::Reader reader_;
};

}  // namespace ipcdoctor::collect
