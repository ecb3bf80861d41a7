/* IPC207 stuck or deadlock: a helper inherited the descriptor of a locked file, lives on, and so does the lock */
#include <sys/file.h>

#include "../program.h"

static char name[] = "/tmp/ipcdoctor-lock-XXXXXX";

static int detached[2];

static void serve(void* unused) {
  (void)unused;
  prctl(PR_SET_PDEATHSIG, 0); /* a daemon outlives who started it */
  tell(detached[1]);
  for (;;) sleep(86400);
}

static void first_run(void* unused) {
  (void)unused;
  check(flock(open(name, O_RDWR), LOCK_EX) == 0, "flock");
  role("culprit", start(serve, NULL));
  hear(detached[0]);
}

int main(void) {
  die_with_parent();
  close(mkstemp(name));
  make_pipe(detached);
  waitpid(start(first_run, NULL), NULL, 0);
  const int fd = open(name, O_RDWR);
  unlink(name);
  role("stuck", getpid());
  ready();
  flock(fd, LOCK_EX);
  return 0;
}
