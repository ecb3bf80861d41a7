/* IPC102 deadlock: a child fills a pipe whose only read ends are in itself and in the parent that waits for it */
#include "../program.h"

static int ends[2];

static void fill(void* unused) {
  (void)unused;
  char block[4096];
  memset(block, 'x', sizeof block);
  while (write(ends[1], block, sizeof block) > 0) {
  }
}

int main(void) {
  die_with_parent();
  make_pipe(ends);
  const pid_t child = start(fill, NULL);
  close(ends[1]);
  role("stuck", child);
  role("stuck", getpid());
  ready();
  waitpid(child, NULL, 0);
  return 0;
}
