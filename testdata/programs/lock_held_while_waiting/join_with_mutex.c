/* IPC206 deadlock: a thread is joined by the holder of the mutex that it needs */
#include "../program.h"

static pthread_mutex_t state = PTHREAD_MUTEX_INITIALIZER;

static void* work(void* unused) {
  pthread_mutex_lock(&state);
  pthread_mutex_unlock(&state);
  return unused;
}

int main(void) {
  die_with_parent();
  pthread_mutex_lock(&state);
  pthread_t thread;
  pthread_create(&thread, NULL, work, NULL);
  role("stuck", getpid());
  role("culprit", getpid());
  ready();
  pthread_join(thread, NULL);
  pthread_mutex_unlock(&state);
  return 0;
}
