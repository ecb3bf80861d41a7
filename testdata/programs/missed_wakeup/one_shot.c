/* IPC303 deadlock: a server does not arm EPOLLONESHOT again, and so misses the second request */
#include <sys/epoll.h>

#include "../program.h"

static int ends[2];

static void client(void* unused) {
  (void)unused;
  close(ends[0]);
  for (int i = 0; i < 2; ++i) {
    tell(ends[1]);
    hear(ends[1]);
  }
}

int main(void) {
  die_with_parent();
  check(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0, "socketpair");
  const pid_t child = start(client, NULL);
  close(ends[1]);
  const int set = epoll_create1(0);
  struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT};
  epoll_ctl(set, EPOLL_CTL_ADD, ends[0], &event);
  role("stuck", getpid());
  role("stuck", child);
  role("culprit", getpid());
  ready();
  for (int i = 0; i < 2; ++i) {
    epoll_wait(set, &event, 1, -1);
    hear(ends[0]);
    tell(ends[0]);
  }
  return 0;
}
