/* IPC203 deadlock: a process exited while it held a mutex in shared memory */
#include "../program.h"

static pthread_mutex_t* mutex;

static void take(void* unused) {
  (void)unused;
  pthread_mutex_lock(mutex);
}

int main(void) {
  die_with_parent();
  mutex = shared_memory(sizeof *mutex);
  init_shared_mutex(mutex);
  const pid_t owner = start(take, NULL);
  waitpid(owner, NULL, 0);
  role("stuck", getpid());
  ready();
  pthread_mutex_lock(mutex);
  return 0;
}
