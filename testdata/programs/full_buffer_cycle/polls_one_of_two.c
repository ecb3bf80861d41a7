/* IPC105 waiting: it polls the output of its child for ever, which blocks as nobody reads its errors. What its loop
 * calls cannot be read, so that it is only watched, and the claim has the condition that it does not help. */
#include <poll.h>

#include "../program.h"

static int out[2], err[2];
static int (*volatile wait_for)(struct pollfd*, nfds_t, int) = poll;
static volatile long rounds;

static void talk(void* unused) {
  (void)unused;
  close(out[0]);
  close(err[0]);
  static char block[1 << 20];
  check(write(err[1], block, sizeof block) == sizeof block, "write");
  tell(out[1]);
}

int main(void) {
  die_with_parent();
  make_pipe(out);
  make_pipe(err);
  role("stuck", start(talk, NULL));
  role("culprit", getpid());
  close(out[1]);
  close(err[1]);
  ready();
  struct pollfd one = {.fd = out[0], .events = POLLIN};
  while (wait_for(&one, 1, 300) == 0) ++rounds;
  return 0;
}
