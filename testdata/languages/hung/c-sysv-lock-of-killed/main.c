#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/sem.h>
#include <sys/wait.h>
#include "role.h"

static int sem;
static volatile sig_atomic_t quit;
static void on_signal(int s) { (void)s; quit = 1; }

static void change(short by) {
  struct sembuf op = {0, by, 0};
  while (semop(sem, &op, 1) < 0) {
    if (errno == EINTR) continue;
    perror("semop");
    exit(1);
  }
}

static void work(const char *name, int crash) {
  role(name);
  for (int i = 0; i < 5; i++) {
    change(-1);
    if (crash) raise(SIGKILL);
    usleep(1000);
    change(1);
  }
  exit(0);
}

int main(void) {
  struct sigaction sa;
  memset(&sa, 0, sizeof sa);
  sa.sa_handler = on_signal;
  sigaction(SIGTERM, &sa, 0);
  sigaction(SIGINT, &sa, 0);
  role("boss");
  sem = semget(IPC_PRIVATE, 1, 0600);
  if (sem < 0) return 1;
  semctl(sem, 0, SETVAL, 1);
  const char *names[] = {"a", "b", "c"};
  for (int i = 0; i < 3; i++) {
    if (fork() == 0) work(names[i], i == 0);
    if (i == 0) usleep(100000);
  }
  while (wait(0) > 0 || errno == EINTR)
    ;
  semctl(sem, 0, IPC_RMID);
  return 0;
}
