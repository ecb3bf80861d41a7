/* healthy: a service that waits for the semaphore which its handler of SIGTERM posts */
#include <semaphore.h>

#include "../program.h"

static sem_t end;

static void on_term(int signal) {
  (void)signal;
  sem_post(&end);
}

int main(void) {
  die_with_parent();
  sem_init(&end, 0, 0);
  signal(SIGTERM, on_term);
  ready();
  while (sem_wait(&end) != 0) {
  }
  return 0;
}
