#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/wait.h>
#include <sys/time.h>
#include "role.h"
/* a server of messages; once a minute an alarm ends the wait, and it looks after its client */
static volatile sig_atomic_t tick;
static void on_alarm(int s) { (void)s; tick = 1; }
int main(void) {
  struct sigaction sa;
  struct { long type; char text[64]; } m;
  int q = msgget(IPC_PRIVATE, 0600), p[2];
  if (q < 0 || pipe(p)) return 1;
  if (fork() == 0) {
    char c;
    close(p[1]);
    return read(p[0], &c, 1) < 0;
  }
  close(p[0]);
  memset(&sa, 0, sizeof sa);
  sa.sa_handler = on_alarm;
  sigaction(SIGALRM, &sa, 0);
  alarm(30);
  for (;;) {
    ssize_t n = msgrcv(q, &m, sizeof m.text, 0, 0);
    if (n < 0 && errno == EINTR) {
      if (tick) break;
      continue;
    }
  }
  msgctl(q, IPC_RMID, 0);
  if (write(p[1], "x", 1) < 0) return 1;
  wait(0);
}
