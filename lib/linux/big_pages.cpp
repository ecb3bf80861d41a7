#include "linux/big_pages.h"

#include <malloc.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>

namespace ipcdoctor::linux {

void use_big_pages() {
  constexpr std::size_t kRoom = 64 << 20, kBigPage = 2 << 20, kMore = 256 << 10;
  struct rlimit space {};
  if (::getrlimit(RLIMIT_AS, &space) != 0 || space.rlim_cur != RLIM_INFINITY) return;
  (void)::mallopt(M_TOP_PAD, kRoom);
  (void)::mallopt(M_TRIM_THRESHOLD, 2 * kRoom);
  (void)::mallopt(M_MMAP_THRESHOLD, kRoom / 2);
  void* const first = std::malloc(kMore);  // more than is left
  const auto begin = (reinterpret_cast<std::uintptr_t>(first) + kBigPage - 1) & ~(kBigPage - 1);
  const auto end = reinterpret_cast<std::uintptr_t>(::sbrk(0));
  if (first != nullptr && begin < end)
    (void)::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
  std::free(first);
}

}  // namespace ipcdoctor::linux
