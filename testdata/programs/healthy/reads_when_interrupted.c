/* healthy: a service rests in poll(2) until a signal ends that; then it reads what its worker wants
   to write, and ends */
#include <poll.h>

#include "../program.h"

static volatile sig_atomic_t asked;

static void on_usr1(int signal) {
  (void)signal;
  asked = 1;
}

static int work[2], never[2];
static char result[1 << 17];

static void write_all(void* unused) {
  (void)unused;
  close(work[0]);
  check(write(work[1], result, sizeof result) > 0, "write");
}

int main(void) {
  die_with_parent();
  make_pipe(work);
  make_pipe(never);
  start(write_all, NULL);
  close(work[1]);
  struct sigaction action = {.sa_handler = on_usr1};
  sigaction(SIGUSR1, &action, NULL);
  ready();
  struct pollfd command = {never[0], POLLIN, 0};
  poll(&command, 1, -1);
  const ssize_t size = read(work[0], result, sizeof result);
  return asked && size > 0 ? 0 : 1;
}
