/* IPC204 deadlock: two processes flock two files in opposite order */
#include <sys/file.h>

#include "../program.h"

static char names[2][32] = {"/tmp/ipcdoctor-a-XXXXXX", "/tmp/ipcdoctor-b-XXXXXX"};
static int go[2], turn[2];

static int open_file(int i) {
  const int fd = open(names[i], O_RDWR);
  check(fd >= 0, "open");
  return fd;
}

static void opposite(void* unused) {
  (void)unused;
  const int first = open_file(1), second = open_file(0);
  flock(first, LOCK_EX);
  tell(go[1]);
  hear(turn[0]);
  flock(second, LOCK_EX);
}

int main(void) {
  die_with_parent();
  for (int i = 0; i < 2; ++i) close(mkstemp(names[i]));
  make_pipe(go);
  make_pipe(turn);
  const pid_t child = start(opposite, NULL);
  hear(go[0]);
  const int first = open_file(0), second = open_file(1);
  unlink(names[0]);
  unlink(names[1]);
  flock(first, LOCK_EX);
  tell(turn[1]);
  role("stuck", child);
  role("stuck", getpid());
  ready();
  flock(second, LOCK_EX);
  return 0;
}
