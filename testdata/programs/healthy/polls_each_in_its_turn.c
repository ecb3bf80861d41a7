/* healthy: it polls the output of its child, and now and then takes the errors with which the child has filled a pipe */
#include <poll.h>

#include "../program.h"

static int out[2], err[2];
static int (*volatile wait_for)(struct pollfd*, nfds_t, int) = poll;

static void talk(void* unused) {
  (void)unused;
  close(out[0]);
  close(err[0]);
  static char block[1 << 20];
  for (;;) check(write(err[1], block, sizeof block) == sizeof block, "write");
}

int main(void) {
  die_with_parent();
  make_pipe(out);
  make_pipe(err);
  start(talk, NULL);
  close(out[1]);
  close(err[1]);
  ready();
  static char taken[1 << 16];
  struct pollfd one = {.fd = out[0], .events = POLLIN};
  for (int round = 0; wait_for(&one, 1, 300) == 0; ++round)
    if (round % 10 == 9) check(read(err[0], taken, sizeof taken) > 0, "read");
  return 0;
}
