/* healthy: a process reads a pipe whose other end is passed on by fork, from one short life to the
 * next; the last one writes */
#include <time.h>

#include "../program.h"

static void pass_on(int fd, pid_t reader) {
  const time_t end = time(NULL) + 30;
  for (;;) {
    const struct timespec life = {0, 300 * 1000};
    nanosleep(&life, NULL);
    if (kill(reader, 0) != 0) _exit(0);
    if (time(NULL) >= end) _exit(write(fd, "x", 1) == 1 ? 0 : 1);
    if (fork() != 0) _exit(0);
  }
}

int main(void) {
  die_with_parent();
  int ends[2];
  make_pipe(ends);
  const pid_t reader = getpid();
  if (fork() == 0) {
    setsid();
    close(ends[0]);
    if (fork() != 0) _exit(0);
    pass_on(ends[1], reader);
  }
  wait(NULL);
  ready();
  char byte;
  return read(ends[0], &byte, 1) == 1 ? 0 : 1;
}
