/* healthy: a child is stopped and its parent waits for it; another child will continue it */
#include "../program.h"

static pid_t stopped;

static void stop(void* unused) {
  (void)unused;
  raise(SIGSTOP);
}

static void continue_it(void* unused) {
  (void)unused;
  sleep(1000);
  kill(stopped, SIGCONT);
}

int main(void) {
  die_with_parent();
  stopped = start(stop, NULL);
  int status = 0;
  check(waitpid(stopped, &status, WUNTRACED) == stopped && WIFSTOPPED(status), "waitpid");
  start(continue_it, NULL);
  ready();
  waitpid(stopped, NULL, 0);
  return 0;
}
