/* IPC405 deadlock: who serves the faults of a userfaultfd(2) touches such a page itself */
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "../program.h"

#ifndef UFFD_USER_MODE_ONLY /* headers before Linux 5.11 */
#define UFFD_USER_MODE_ONLY 1
#endif

int main(void) {
  die_with_parent();
  const int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
  check(fd >= 0, "userfaultfd");
  struct uffdio_api api = {.api = UFFD_API};
  check(ioctl(fd, UFFDIO_API, &api) == 0, "UFFDIO_API");
  volatile char* page =
      mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  check(page != MAP_FAILED, "mmap");
  struct uffdio_register range = {.range = {.start = (unsigned long)page, .len = 4096},
                                  .mode = UFFDIO_REGISTER_MODE_MISSING};
  check(ioctl(fd, UFFDIO_REGISTER, &range) == 0, "UFFDIO_REGISTER");
  role("stuck", getpid());
  role("culprit", getpid());
  ready();
  return page[0]; /* before it reads the fault from fd */
}
