/* IPC102 deadlock, or IPC105 for the pipe is its own: the reader has gone; the writer itself keeps the read end open, so it gets no SIGPIPE and waits */
#include "../program.h"

static int ends[2];

static void read_a_little(void* unused) {
  (void)unused;
  hear(ends[0]);
}

int main(void) {
  die_with_parent();
  make_pipe(ends);
  const pid_t reader = start(read_a_little, NULL);
  tell(ends[1]);
  waitpid(reader, NULL, 0);
  role("stuck", getpid());
  role("culprit", getpid());
  ready();
  char block[4096] = {0};
  while (write(ends[1], block, sizeof block) > 0) {
  }
  return 0;
}
