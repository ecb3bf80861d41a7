#pragma once

#include <map>
#include <optional>

#include "collect/system.h"
#include "runtime/hotspot/threads.h"
#include "runtime/hotspot/vm.h"
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
  using Vm = runtime::hotspot::Vm;
  std::optional<Vm> find_jvm(ProcessEntry& process, linux::AddressSpace& space);
  void read_handlers(ProcessEntry& process, linux::AddressSpace& space,
                     const std::optional<Vm>& jvm);
  void read_java(ProcessEntry& process, const Vm& jvm);
  static void add_lock_of_library(const ProcessEntry& process,
                                  const runtime::hotspot::JavaThread& java,
                                  snapshot::Thread& thread);
  void read_thread(ProcessEntry& process, linux::AddressSpace& space, ThreadEntry& thread,
                   Stacks& stacks);
  void read_interruptions(ProcessEntry& process, linux::AddressSpace& space);
  unwind::Registers registers_of(const ThreadEntry& thread, bool all);

  System& system_;
  unwind::Images& images_;
  runtime::native::Reader reader_;
  std::map<int, runtime::native::Written> written_;  ///< by the handler of a signal of the process
};

}  // namespace ipcdoctor::collect
