/* IPC000: parent and child wait for a timer that neither has set; no class of its own, so it is told by its chain. */
#include <stdint.h>
#include <stdio.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void) {
  int timer = timerfd_create(CLOCK_MONOTONIC, 0);
  pid_t child = fork();
  if (child == 0) {
    uint64_t expirations;
    return (int)read(timer, &expirations, sizeof expirations);
  }
  printf("stuck %d\nstuck %d\nculprit %d\nREADY\n", (int)getpid(), (int)child, (int)child);
  fflush(stdout);
  return waitpid(child, NULL, 0) != child;
}
