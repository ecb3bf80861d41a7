/* IPC106 deadlock: a parent waits for a child whose terminal it does not read */
#include <pty.h>

#include "../program.h"

int main(void) {
  die_with_parent();
  int master = -1;
  const pid_t child = forkpty(&master, NULL, NULL, NULL);
  if (child == 0) {
    die_with_parent();
    for (int i = 0; i < 100000; ++i) puts("a line");
    return 0;
  }
  role("stuck", getpid());
  role("stuck", child);
  role("culprit", getpid());
  ready();
  waitpid(child, NULL, 0);
  return 0;
}
