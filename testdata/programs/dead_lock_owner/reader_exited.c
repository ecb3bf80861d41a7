/* IPC203 deadlock: a process that read under a shared rwlock exited without unlocking it */
#include "../program.h"

static void read_and_exit(void* lock) {
  pthread_rwlock_rdlock(lock);
}

int main(void) {
  die_with_parent();
  pthread_rwlock_t* lock = shared_memory(sizeof *lock);
  pthread_rwlockattr_t attributes;
  pthread_rwlockattr_init(&attributes);
  pthread_rwlockattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  pthread_rwlock_init(lock, &attributes);
  const pid_t reader = start(read_and_exit, lock);
  waitpid(reader, NULL, 0);
  role("stuck", getpid());
  ready();
  pthread_rwlock_wrlock(lock);
  return 0;
}
