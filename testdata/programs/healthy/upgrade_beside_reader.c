/* healthy: a process that reads under a lock wants to write, and waits for another reader that sleeps */
#include "../program.h"

static char name[] = "/tmp/ipcdoctor-u-XXXXXX";
static int has[2];

static void lock(int fd, short type, int command) {
  struct flock whole = {.l_type = type, .l_whence = SEEK_SET};
  check(fcntl(fd, command, &whole) == 0, "lock");
}

static void read_slowly(void* unused) {
  (void)unused;
  lock(open(name, O_RDWR), F_RDLCK, F_OFD_SETLK);
  tell(has[1]);
  sleep(1000);
}

int main(void) {
  die_with_parent();
  close(mkstemp(name));
  make_pipe(has);
  start(read_slowly, NULL);
  hear(has[0]);
  const int fd = open(name, O_RDWR);
  unlink(name);
  lock(fd, F_RDLCK, F_OFD_SETLK);
  ready();
  lock(fd, F_WRLCK, F_OFD_SETLKW);
  return 0;
}
