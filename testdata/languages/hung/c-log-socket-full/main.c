#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include "role.h"

static volatile sig_atomic_t rotate;
static void on_hup(int s) { (void)s; rotate = 1; }

static void app(struct sockaddr_un *to) {
  role("app");
  int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
  if (connect(fd, (void *)to, sizeof *to)) _exit(1);
  for (int i = 0; i < 5000; i++) {
    while (send(fd, "<6>app: record", 14, 0) < 0 && errno == EINTR)
      ;
  }
  _exit(0);
}

int main(void) {
  struct sigaction sa;
  memset(&sa, 0, sizeof sa);
  sa.sa_handler = on_hup;
  sigaction(SIGHUP, &sa, 0);
  role("logger");
  struct sockaddr_un a = {.sun_family = AF_UNIX};
  snprintf(a.sun_path, sizeof a.sun_path, "%s/log", getenv("TMPDIR"));
  int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (bind(fd, (void *)&a, sizeof a)) return 1;
  pid_t pid = fork();
  if (pid == 0) {
    close(fd);
    app(&a);
  }
  int status;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
    ;
  char buf[200];
  while (recv(fd, buf, sizeof buf, MSG_DONTWAIT) > 0)
    ;
  return 0;
}
