/* healthy: the parent waits for its child, the child for a byte that the parent's handler of SIGALRM will write */
#include <signal.h>

#include "../program.h"

static int channel[2];

static void on_alarm(int signal) {
  (void)signal;
  tell(channel[1]);
}

int main(void) {
  die_with_parent();
  make_pipe(channel);
  if (fork() == 0) {
    die_with_parent();
    close(channel[1]);
    hear(channel[0]);
    return 0;
  }
  signal(SIGALRM, on_alarm);
  alarm(1000);
  ready();
  while (waitpid(-1, NULL, 0) < 0) {
  }
  return 0;
}
