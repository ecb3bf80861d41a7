/* IPC101 deadlock: the parent waits for a child that waits for EOF on a pipe which the parent keeps open */
#include "../program.h"

static int ends[2];

static void copy_all(void* unused) {
  (void)unused;
  close(ends[1]);
  char buffer[256];
  while (read(ends[0], buffer, sizeof buffer) > 0) {
  }
}

int main(void) {
  die_with_parent();
  make_pipe(ends);
  const pid_t child = start(copy_all, NULL);
  close(ends[0]);
  check(write(ends[1], "all there is\n", 13) == 13, "write");
  role("stuck", child);
  role("stuck", getpid());
  role("culprit", getpid());
  ready();
  waitpid(child, NULL, 0);
  return 0;
}
