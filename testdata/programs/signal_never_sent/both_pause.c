/* IPC404 stuck or deadlock: both sides wait for the other's signal */
#include "../program.h"

static void no_op(int number) { (void)number; }

static void wait_for_go(void* unused) {
  (void)unused;
  pause();
  kill(getppid(), SIGUSR1);
}

int main(void) {
  die_with_parent();
  signal(SIGUSR1, no_op);
  const pid_t child = start(wait_for_go, NULL);
  role("stuck", child);
  role("stuck", getpid());
  ready();
  pause();
  kill(child, SIGUSR1);
  return 0;
}
