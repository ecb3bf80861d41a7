#pragma once

#include <vector>

#include "linux/proc_dir.h"
#include "linux/proc_maps.h"
#include "linux/process_memory.h"

namespace ipcdoctor::linux {

/// What code that reads a target's memory gets: the process's directory, its mappings, its memory.
struct AddressSpace {
  Pid pid;
  ProcDir dir;
  std::vector<Mapping> maps;
  ProcessMemory memory;

  static Result<AddressSpace> open(Pid pid) {
    auto dir = ProcDir::open(pid);
    if (!dir) return dir.error();
    auto maps = read_maps(*dir);
    if (!maps) return maps.error();
    auto memory = ProcessMemory::open(*dir);
    if (!memory) return memory.error();
    return AddressSpace{pid, std::move(*dir), std::move(*maps), std::move(*memory)};
  }
};

}  // namespace ipcdoctor::linux
