/* IPC305 deadlock: two tokens went round in a pipe; a worker exited without giving its token back */
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
  const pid_t child = start(careful, NULL);
  role("stuck", child);
  role("stuck", getpid());
  ready();
  waitpid(child, NULL, 0);
  return 0;
}
