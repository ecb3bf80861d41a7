/* IPC402 stuck: open() of a FIFO that nobody else opens */
#include <sys/stat.h>

#include "../program.h"

int main(void) {
  die_with_parent();
  char folder[] = "/tmp/ipcdoctor-XXXXXX";
  check(mkdtemp(folder) != NULL, "mkdtemp");
  char name[64];
  snprintf(name, sizeof name, "%s/fifo", folder);
  check(mkfifo(name, 0600) == 0, "mkfifo");
  role("stuck", getpid());
  ready();
  const int fd = open(name, O_WRONLY);
  return fd < 0;
}
