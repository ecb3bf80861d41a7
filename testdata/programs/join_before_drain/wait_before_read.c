/* IPC106 deadlock: the parent waits for the end of a child whose output it has not read, and the pipe is full */
#include "../program.h"

static int ends[2];

static void speak(void* unused) {
  (void)unused;
  close(ends[0]);
  char block[4096] = {0};
  for (int i = 0; i < 100; ++i) check(write(ends[1], block, sizeof block) > 0, "write");
}

int main(void) {
  die_with_parent();
  make_pipe(ends);
  const pid_t child = start(speak, NULL);
  close(ends[1]);
  role("stuck", child);
  role("stuck", getpid());
  role("culprit", getpid());
  ready();
  waitpid(child, NULL, 0);
  char block[4096];
  while (read(ends[0], block, sizeof block) > 0) {
  }
  return 0;
}
