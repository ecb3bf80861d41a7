#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include "role.h"

static int tokens[2];
static volatile sig_atomic_t interrupted;
static int running;

static void on_term(int s) { (void)s; interrupted = 1; }

static void take(void) {
  char c;
  while (read(tokens[0], &c, 1) != 1) {
    if (errno != EINTR) exit(2);
  }
}

static void job(int n) {
  if (n == 1) {
    role("gone");
    _exit(1); /* failed: its token stays out */
  }
  usleep(50000);
  if (write(tokens[1], "+", 1) != 1) _exit(2);
  _exit(0);
}

int main(void) {
  struct sigaction sa;
  memset(&sa, 0, sizeof sa);
  sa.sa_handler = on_term;
  sigaction(SIGTERM, &sa, 0);
  sigaction(SIGINT, &sa, 0);
  role("make");
  if (pipe(tokens) || write(tokens[1], "+", 1) != 1) return 1;
  for (int i = 0; i < 4; i++) {
    take();
    if (fork() == 0) job(i);
    running++;
  }
  while (running-- > 0) wait(0);
  return 0;
}
