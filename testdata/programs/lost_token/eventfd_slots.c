/* IPC305 deadlock: an eventfd with EFD_SEMAPHORE counts slots; a worker was killed with one, and the next waits for it */
#include <stdint.h>
#include <sys/eventfd.h>

#include "../program.h"

static int slots;

static void take(void) {
  uint64_t one;
  check(read(slots, &one, sizeof one) == sizeof one, "read");
}

static void crash(void* unused) {
  (void)unused;
  take();
  raise(SIGKILL);
}

static void work(void* unused) {
  (void)unused;
  take();
}

int main(void) {
  die_with_parent();
  slots = eventfd(1, EFD_SEMAPHORE);
  check(slots >= 0, "eventfd");
  waitpid(start(crash, NULL), NULL, WUNTRACED);
  const pid_t second = start(work, NULL);
  role("stuck", second);
  role("stuck", getpid());
  ready();
  waitpid(second, NULL, 0);
  return 0;
}
