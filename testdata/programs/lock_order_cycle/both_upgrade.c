/* IPC204 deadlock: two processes have a shared lock on one file and both want it exclusively */
#include "../program.h"

static char name[] = "/tmp/ipcdoctor-u-XXXXXX";
static int has[2], go[2];

static void lock(int fd, short type, int command) {
  struct flock whole = {.l_type = type, .l_whence = SEEK_SET};
  check(fcntl(fd, command, &whole) == 0, "lock");
}

static void upgrade(void* unused) {
  (void)unused;
  const int fd = open(name, O_RDWR);
  lock(fd, F_RDLCK, F_OFD_SETLK);
  tell(has[1]);
  hear(go[0]);
  lock(fd, F_WRLCK, F_OFD_SETLKW);
}

int main(void) {
  die_with_parent();
  close(mkstemp(name));
  make_pipe(has);
  make_pipe(go);
  const pid_t child = start(upgrade, NULL);
  hear(has[0]);
  const int fd = open(name, O_RDWR);
  unlink(name);
  lock(fd, F_RDLCK, F_OFD_SETLK);
  role("stuck", getpid());
  role("stuck", child);
  role("culprit", getpid());
  role("culprit", child);
  tell(go[1]);
  ready();
  lock(fd, F_WRLCK, F_OFD_SETLKW);
  return 0;
}
