#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/select.h>
#include <sys/wait.h>
#include "role.h"

static volatile sig_atomic_t got_term;
static void on_term(int s) { (void)s; got_term = 1; }

static void client(const char *name, int in, int out) {
  char b[32];
  role(name);
  if (write(out, "hi\n", 3) < 0) _exit(1);
  while (read(in, b, sizeof b) > 0)
    ;
  _exit(0);
}

int main(void) {
  int up[2][2], down[2][2];
  struct sigaction sa;
  memset(&sa, 0, sizeof sa);
  sa.sa_handler = on_term;
  sigaction(SIGTERM, &sa, 0);
  sigaction(SIGHUP, &sa, 0);
  role("hub");
  for (int i = 0; i < 2; i++) {
    if (pipe(up[i]) || pipe(down[i])) return 1;
    if (fork() == 0) {
      for (int j = 0; j <= i; j++) close(down[j][1]), close(up[j][0]);
      client(i ? "right" : "left", down[i][0], up[i][1]);
    }
    close(down[i][0]);
    close(up[i][1]);
  }
  for (;;) {
    fd_set r;
    FD_ZERO(&r);
    FD_SET(up[0][0], &r);
    FD_SET(up[1][0], &r);
    int n = select((up[1][0] > up[0][0] ? up[1][0] : up[0][0]) + 1, &r, 0, 0, 0);
    if (n < 0 && errno == EINTR) {
      if (got_term) break;
      continue;
    }
    for (int i = 0; i < 2; i++) {
      char b[64];
      if (!FD_ISSET(up[i][0], &r)) continue;
      if (read(up[i][0], b, sizeof b) <= 0) return 0;
      /* the answer comes with the next message */
    }
  }
}
