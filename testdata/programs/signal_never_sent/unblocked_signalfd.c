/* IPC404 stuck: it reads SIGCHLD from a signalfd and does not block it, so that it is never pending
 */
#include <sys/signalfd.h>

#include "../program.h"

static void nothing(void* unused) {
  (void)unused;
}

int main(void) {
  die_with_parent();
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGCHLD);
  const int fd = signalfd(-1, &set, 0);
  start(nothing, NULL);
  role("stuck", getpid());
  role("culprit", getpid());
  ready();
  struct signalfd_siginfo info;
  return read(fd, &info, sizeof info) < 0;
}
