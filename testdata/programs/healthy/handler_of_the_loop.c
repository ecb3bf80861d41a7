/* healthy: a service whose handler of SIGHUP writes to the pipe that its loop looks at; the worker
   that waits for the loop has work then */
#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "../program.h"

static int wake[2], work[2];

static void on_hup(int signal) {
  (void)signal;
  const int saved = errno;
  if (write(wake[1], "x", 1) < 0) errno = saved;
}

int main(void) {
  die_with_parent();
  char byte;
  if (pipe(wake) != 0 || pipe(work) != 0) return 1;
  if (fork() == 0) {
    die_with_parent();
    close(work[1]), close(wake[0]), close(wake[1]);
    while (read(work[0], &byte, 1) == 1) {
    }
    return 0;
  }
  close(work[0]);
  struct sigaction action = {.sa_handler = on_hup, .sa_flags = SA_RESTART};
  sigaction(SIGHUP, &action, NULL);
  ready();
  for (;;) {
    struct pollfd woken = {wake[0], POLLIN, 0};
    if (poll(&woken, 1, -1) < 0) continue;
    if (read(wake[0], &byte, 1) == 1 && write(work[1], &byte, 1) != 1) return 1;
  }
}
