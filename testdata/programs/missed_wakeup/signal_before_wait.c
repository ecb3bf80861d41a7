/* IPC303 deadlock: the condition was signalled before anybody waited, and no flag was kept */
#include "../program.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t done = PTHREAD_COND_INITIALIZER;

static void* work(void* unused) {
  pthread_cond_signal(&done);
  return unused;
}

int main(void) {
  die_with_parent();
  pthread_t thread;
  pthread_create(&thread, NULL, work, NULL);
  pthread_join(thread, NULL);
  role("stuck", getpid());
  ready();
  pthread_mutex_lock(&mutex);
  pthread_cond_wait(&done, &mutex);
  return 0;
}
