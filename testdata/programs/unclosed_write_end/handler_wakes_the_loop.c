/* IPC101 deadlock: the parent waits for a child that reads to the end of a pipe, whose write end
   the parent keeps. Its handler only wakes a loop that it does not come to. */
#include <errno.h>
#include <poll.h>
#include <sys/wait.h>
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
  const pid_t child = fork();
  if (child == 0) {
    die_with_parent();
    close(work[1]), close(wake[0]), close(wake[1]);
    while (read(work[0], &byte, 1) == 1) {
    }
    return 0;
  }
  close(work[0]);
  struct sigaction action = {.sa_handler = on_hup, .sa_flags = SA_RESTART};
  sigaction(SIGHUP, &action, NULL);
  if (write(work[1], "work", 4) != 4) return 1;
  role("stuck", child);
  role("stuck", getpid());
  role("culprit", getpid());
  ready();
  while (waitpid(child, NULL, 0) < 0 && errno == EINTR) {
  }
  struct pollfd woken = {wake[0], POLLIN, 0};
  return poll(&woken, 1, -1) < 0;
}
