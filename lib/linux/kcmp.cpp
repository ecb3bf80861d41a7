#include "linux/kcmp.h"

#include <cerrno>
#include <cstdint>
#include <string>

#include "linux/deputy.h"

namespace ipcdoctor::linux {
namespace {

// The kernel's own <linux/kcmp.h> is hidden by this folder's header of the same name.
enum Type { KCMP_FILE = 0, KCMP_VM = 1, KCMP_FILES = 2, KCMP_EPOLL_TFD = 7 };
struct EpollSlot {
  std::uint32_t efd, tfd, toff;
};

Result<std::strong_ordering> compare(int type, Tid a, Tid b, unsigned long index_a,
                                     unsigned long index_b, const EpollSlot* slot = nullptr) {
  const std::string what = "kcmp " + std::to_string(a.value) + " " + std::to_string(b.value);
  switch (deputy::compare(a.value, b.value, type, index_a, index_b, slot,
                          slot != nullptr ? sizeof *slot : 0)) {
    case 0:
      return std::strong_ordering::equal;
    case 1:
      return std::strong_ordering::less;
    case 2:
      return std::strong_ordering::greater;
    case -1:
      break;
    default:
      return Error{Cause::Unsupported, 0, what};  // unequal without an order: kcmp(2) reserves it
  }
  const int saved = errno;
  return Error{saved == EBADF ? Cause::Gone : cause_of(saved), saved, what};
}

}  // namespace

Result<std::strong_ordering> compare_tasks(Kcmp what, Tid a, Tid b) {
  return compare(what == Kcmp::Vm ? KCMP_VM : KCMP_FILES, a, b, 0, 0);
}

Result<std::strong_ordering> compare_files(Tid a, int fd_a, Tid b, int fd_b) {
  return compare(KCMP_FILE, a, b, static_cast<unsigned long>(fd_a),
                 static_cast<unsigned long>(fd_b));
}

Result<bool> is_epoll_target(Tid task, int fd, Tid holder, int epfd, int watched) {
  // More than one file may be watched under one number (closed, kept open elsewhere, reused): slots
  // are counted by toff.
  constexpr unsigned kMaxSlots = 64;
  for (unsigned nth = 0; nth < kMaxSlots; ++nth) {
    const EpollSlot slot{static_cast<std::uint32_t>(epfd), static_cast<std::uint32_t>(watched),
                         nth};
    const auto order =
        compare(KCMP_EPOLL_TFD, task, holder, static_cast<unsigned long>(fd), 0, &slot);
    if (order && *order == std::strong_ordering::equal) return true;
    if (!order && order.error().number == ENOENT && nth > 0) return false;
    if (!order) return order.error();
  }
  return Error{Cause::Limit, 0, "kcmp epoll"};
}

}  // namespace ipcdoctor::linux
