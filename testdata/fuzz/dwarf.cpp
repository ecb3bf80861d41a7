// Debug information by libdw, in the process without rights: whatever becomes of that one, we go
// on.
#include <sys/mman.h>
#include <unistd.h>

#include "unwind/debug_info.h"

using namespace ipcdoctor;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  linux::UniqueFd file(::memfd_create("image", MFD_CLOEXEC));
  if (!file.is_open() || ::write(file.get(), data, size) != static_cast<ssize_t>(size)) return 0;
  static const auto space = linux::AddressSpace::open(Pid{::getpid()});
  auto elf = unwind::ElfFile::parse(std::move(file));
  if (!elf || !space) return 0;
  const unwind::Image image(*std::move(elf), "/home/u/app");
  const auto info = unwind::DebugInfo::open(image, *space);
  for (const std::uint64_t address : {0x1129U, 0x1140U, 0x1160U})
    (void)info->frames_at(address, [] { return true; });
  return 0;
}
