/* IPC305 deadlock: a token goes round in a pipe; a worker exited without giving it back, and two wait for it */
#include "../program.h"

static int tokens[2];

static void forgetful(void* unused) {
  (void)unused;
  hear(tokens[0]); /* takes a token and keeps it */
}

static void careful(void* unused) {
  (void)unused;
  hear(tokens[0]);
  tell(tokens[1]);
}

int main(void) {
  die_with_parent();
  make_pipe(tokens);
  tell(tokens[1]);
  waitpid(start(forgetful, NULL), NULL, 0);
  for (int i = 0; i < 2; i++) role("stuck", start(careful, NULL));
  role("stuck", getpid());
  ready();
  while (wait(NULL) > 0) {
  }
  return 0;
}
