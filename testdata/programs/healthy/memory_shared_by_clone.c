/* healthy: a process waits for a semaphore that another one will post, which has the same memory
 * (CLONE_VM) and nothing else in common */
#define _GNU_SOURCE
#include <sched.h>
#include <semaphore.h>

#include "../program.h"

static sem_t semaphore;
static char stack[1 << 16];

static int post_later(void* unused) {
  (void)unused;
  die_with_parent();
  sleep(1000);
  return sem_post(&semaphore);
}

int main(void) {
  die_with_parent();
  sem_init(&semaphore, 0, 0);
  check(clone(post_later, stack + sizeof stack, CLONE_VM | SIGCHLD, NULL) > 0, "clone");
  ready();
  sem_wait(&semaphore);
  return 0;
}
