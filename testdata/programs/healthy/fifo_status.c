/* healthy: whoever reads its FIFO gets a line; it waits for the next one, below a launcher that waits for its end */
#include <sys/stat.h>

#include "../program.h"

static void tell_status(void* folder) {
  check(chdir(folder) == 0, "chdir");
  for (int asked = 1;; asked++) {
    const int out = open("status", O_WRONLY);
    if (out < 0) _exit(1);
    dprintf(out, "asked %d times\n", asked);
    close(out);
  }
}

int main(void) {
  char folder[] = "/tmp/statusXXXXXX", fifo[64];
  die_with_parent();
  check(mkdtemp(folder) != NULL, "mkdtemp");
  snprintf(fifo, sizeof fifo, "%s/status", folder);
  check(mkfifo(fifo, 0600) == 0, "mkfifo");
  const pid_t daemon = start(tell_status, folder);
  ready();
  int status;
  waitpid(daemon, &status, 0);
  return status;
}
