/* IPC306 deadlock: a mutex in shared memory without PTHREAD_PROCESS_SHARED; the unlock of one process wakes nobody of another */
#include "../program.h"

int main(void) {
  die_with_parent();
  pthread_mutex_t* mutex = shared_memory(sizeof *mutex);
  pthread_mutex_init(mutex, NULL);
  pthread_mutex_lock(mutex);
  fflush(stdout);
  const pid_t child = fork();
  check(child >= 0, "fork");
  if (child == 0) {
    die_with_parent();
    pthread_mutex_lock(mutex);
    _exit(0);
  }
  usleep(300000); /* the child sleeps by now, or it hangs not: the unlock must find it asleep */
  pthread_mutex_unlock(mutex);
  role("stuck", child);
  role("stuck", getpid());
  ready();
  waitpid(child, NULL, 0);
  return 0;
}
