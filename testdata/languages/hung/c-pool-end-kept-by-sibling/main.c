#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include "role.h"

static int selfpipe[2];
static volatile sig_atomic_t reload;

static void on_term(int sig) {
  char c = (char)sig;
  if (write(selfpipe[1], &c, 1) < 0) {}
}
static void on_hup(int sig) { (void)sig; reload = 1; }

static void worker(int fd) {
  char buf[256];
  for (;;) {
    ssize_t n = read(fd, buf, sizeof buf);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    if (write(fd, buf, (size_t)n) < 0) break;
  }
  _exit(0);
}

int main(void) {
  pid_t pids[2];
  int ctl[2];
  struct sigaction sa;
  memset(&sa, 0, sizeof sa);
  sa.sa_handler = on_term;
  if (pipe(selfpipe)) return 1;
  sigaction(SIGTERM, &sa, 0);
  sa.sa_handler = on_hup;
  sigaction(SIGHUP, &sa, 0);
  role("boss");
  for (int i = 0; i < 2; i++) {
    int sv[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, sv)) return 1;
    if ((pids[i] = fork()) == 0) {
      role(i ? "w2" : "w1");
      close(sv[0]);
      worker(sv[1]);
    }
    close(sv[1]);
    ctl[i] = sv[0];
  }
  for (int i = 0; i < 2; i++) {
    char ans[16];
    if (write(ctl[i], "job", 3) != 3 || read(ctl[i], ans, sizeof ans) != 3) return 1;
  }
  close(ctl[0]);
  while (waitpid(pids[0], 0, 0) < 0 && errno == EINTR)
    ;
  close(ctl[1]);
  waitpid(pids[1], 0, 0);
  return 0;
}
