/* healthy: a child waits in lockf() for a range that a sleeper has; its parent waits for it and has
 * another range */
#include "../program.h"

static char name[] = "/tmp/ipcdoctor-l-XXXXXX";
static int has[2];

static int lock_from(off_t start, off_t length) {
  const int fd = open(name, O_RDWR);
  check(lseek(fd, start, SEEK_SET) == start, "lseek");
  check(lockf(fd, F_LOCK, length) == 0, "lockf");
  return fd;
}

static void sleep_with_lock(void* unused) {
  (void)unused;
  lock_from(100, 50);
  tell(has[1]);
  sleep(1000);
}

static void wait_for_lock(void* unused) {
  (void)unused;
  lock_from(120, 10);
}

int main(void) {
  die_with_parent();
  close(mkstemp(name));
  make_pipe(has);
  lock_from(0, 50);
  start(sleep_with_lock, NULL);
  hear(has[0]);
  const pid_t child = start(wait_for_lock, NULL);
  sleep(1);
  unlink(name);
  ready();
  waitpid(child, NULL, 0);
  return 0;
}
