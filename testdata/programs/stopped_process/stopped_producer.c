/* IPC401 stuck: the reader waits for a producer that was stopped */
#include "../program.h"

static int ends[2];

static void produce(void* unused) {
  (void)unused;
  close(ends[0]);
  raise(SIGSTOP);
  tell(ends[1]);
}

int main(void) {
  die_with_parent();
  make_pipe(ends);
  const pid_t child = start(produce, NULL);
  close(ends[1]);
  waitpid(child, NULL, WUNTRACED);
  role("stuck", getpid());
  role("culprit", child);
  ready();
  hear(ends[0]);
  return 0;
}
