/* IPC102 deadlock: the reader has ended; the writer, its parent, keeps the read end open, so it gets no SIGPIPE and waits */
#include "../program.h"

static int ends[2];

static void read_a_little(void* unused) {
  (void)unused;
  hear(ends[0]);
}

int main(void) {
  die_with_parent();
  make_pipe(ends);
  (void)start(read_a_little, NULL);
  role("stuck", getpid());
  role("culprit", getpid());
  ready();
  char block[4096] = {0};
  while (write(ends[1], block, sizeof block) > 0) {
  }
  return 0;
}
