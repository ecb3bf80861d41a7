/* IPC205 deadlock: a thread locks a mutex that it holds already */
#include "../program.h"

static pthread_mutex_t cache_mutex = PTHREAD_MUTEX_INITIALIZER;

static void refresh(void) {
  pthread_mutex_lock(&cache_mutex);
  pthread_mutex_unlock(&cache_mutex);
}

int main(void) {
  die_with_parent();
  pthread_mutex_lock(&cache_mutex);
  role("stuck", getpid());
  role("culprit", getpid());
  ready();
  refresh();
  pthread_mutex_unlock(&cache_mutex);
  return 0;
}
