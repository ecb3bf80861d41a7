/* healthy: a thread waits for a mutex whose owner sleeps */
#include "../program.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int locked[2];

static void* hold(void* unused) {
  pthread_mutex_lock(&mutex);
  tell(locked[1]);
  sleep(1000);
  pthread_mutex_unlock(&mutex);
  return unused;
}

int main(void) {
  die_with_parent();
  make_pipe(locked);
  pthread_t thread;
  pthread_create(&thread, NULL, hold, NULL);
  hear(locked[0]);
  ready();
  pthread_mutex_lock(&mutex);
  return 0;
}
