/* IPC105 deadlock: both sides of a socket pair write more than it holds before they read */
#include "../program.h"

static int sides[2];

static void exchange(int fd) {
  static char block[1 << 20];
  for (size_t sent = 0; sent < sizeof block;) {
    const ssize_t n = write(fd, block + sent, sizeof block - sent);
    check(n > 0, "write");
    sent += (size_t)n;
  }
  for (size_t got = 0; got < sizeof block;) {
    const ssize_t n = read(fd, block, sizeof block);
    check(n > 0, "read");
    got += (size_t)n;
  }
}

static void peer(void* unused) {
  (void)unused;
  close(sides[0]);
  exchange(sides[1]);
}

int main(void) {
  die_with_parent();
  check(socketpair(AF_UNIX, SOCK_STREAM, 0, sides) == 0, "socketpair");
  const pid_t child = start(peer, NULL);
  close(sides[1]);
  role("stuck", child);
  role("stuck", getpid());
  ready();
  exchange(sides[0]);
  return 0;
}
