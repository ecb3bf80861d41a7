/* healthy: a supervisor that takes SIGTERM and SIGUSR1 by sigwait(3), and workers that wait for its signals */
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../program.h"

static void note(int number) {
  (void)number;
}

static void work(void) {
  die_with_parent();
  signal(SIGUSR2, note);
  for (;;) pause();
}

int main(void) {
  die_with_parent();
  pid_t workers[2];
  for (int i = 0; i < 2; i++)
    if ((workers[i] = fork()) == 0) work();

  sigset_t orders;
  sigemptyset(&orders);
  sigaddset(&orders, SIGTERM);
  sigaddset(&orders, SIGUSR1);
  sigprocmask(SIG_BLOCK, &orders, NULL);
  ready();
  for (;;) {
    int order = 0;
    sigwait(&orders, &order);
    for (int i = 0; i < 2; i++) kill(workers[i], order == SIGTERM ? SIGTERM : SIGUSR2);
    if (order == SIGTERM) break;
  }
  while (wait(NULL) > 0) {
  }
  return 0;
}
