#include "linux/robust_list.h"

#include <linux/futex.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "linux/deputy.h"

namespace ipcdoctor::linux {

Result<std::vector<RemoteAddr>> read_robust_list(Tid tid, const ProcessMemory& memory) {
  constexpr std::size_t kMost = 64;
  std::uint64_t head = 0;
  std::size_t size = 0;
  if (deputy::robust_list(tid.value, head, size) != 0)
    return Error{cause_of(errno), errno, "get_robust_list " + std::to_string(tid.value)};
  std::vector<RemoteAddr> words;
  if (head == 0) return words;
  const auto list = memory.read_object<robust_list_head>(RemoteAddr{head});
  if (!list) return list.error();
  const auto offset = static_cast<std::uint64_t>(list->futex_offset);
  // bit 0 of a pointer tells a mutex with priority inheritance
  const auto address_of = [](const robust_list* entry) {
    std::uint64_t address = 0;
    std::memcpy(&address, &entry, sizeof address);
    return address & ~std::uint64_t{1};
  };
  for (std::uint64_t at = address_of(list->list.next); at != head;) {
    if (words.size() >= kMost) return words;
    words.push_back(RemoteAddr{at + offset});
    const auto next = memory.read_u64(RemoteAddr{at});
    if (!next) return next.error();
    at = *next & ~std::uint64_t{1};
  }
  return words;
}

}  // namespace ipcdoctor::linux
