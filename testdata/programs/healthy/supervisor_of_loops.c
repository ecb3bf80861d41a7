/* healthy: a parent waits for its helpers, one of which acts once in a while, the other on a signal */
#include "../program.h"

static volatile sig_atomic_t asked;

static void note(int number) { asked = number; }

static void tick(void* unused) {
  (void)unused;
  for (;;) {
    sleep(600);
    puts("tick");
  }
}

static void obey(void* unused) {
  (void)unused;
  struct sigaction action = {.sa_handler = note, .sa_flags = SA_RESTART};
  sigaction(SIGUSR1, &action, NULL);
  for (;;) {
    pause();
    printf("signal %d\n", (int)asked);
  }
}

int main(void) {
  die_with_parent();
  start(tick, NULL);
  start(obey, NULL);
  ready();
  while (wait(NULL) > 0) {
  }
  return 0;
}
