/* IPC206 deadlock: a child waits in lockf() for the range that its parent keeps while it waits for
 * the child */
#include "../program.h"

static void lock(void* file) {
  check(lockf(*(int*)file, F_LOCK, 0) == 0, "lockf");
}

int main(void) {
  die_with_parent();
  FILE* file = tmpfile();
  int fd = fileno(file);
  check(lseek(fd, 100, SEEK_SET) == 100, "lseek");
  check(lockf(fd, F_LOCK, 0) == 0, "lockf");
  const pid_t child = start(lock, &fd);
  role("stuck", child);
  role("stuck", getpid());
  role("culprit", getpid());
  ready();
  waitpid(child, NULL, 0);
  return 0;
}
