/* healthy: the reader waits for a writer that sleeps */
#include "../program.h"

static int ends[2];

static void write_later(void* unused) {
  (void)unused;
  sleep(1000);
  tell(ends[1]);
}

int main(void) {
  die_with_parent();
  make_pipe(ends);
  start(write_later, NULL);
  ready();
  hear(ends[0]);
  return 0;
}
