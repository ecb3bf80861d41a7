/* healthy: two threads wait for each other, and a third one ends that at its tenth beat */
#include "../program.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int done;

static void* wait_until_done(void* unused) {
  (void)unused;
  pthread_mutex_lock(&mutex);
  while (!done) pthread_cond_wait(&changed, &mutex);
  pthread_mutex_unlock(&mutex);
  return NULL;
}

static void* beat(void* unused) {
  (void)unused;
  for (int i = 0;; i++) {
    sleep(1);
    if (i < 600) continue;
    pthread_mutex_lock(&mutex);
    done = 1;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&mutex);
  }
}

int main(void) {
  die_with_parent();
  pthread_t waiter, ticker;
  pthread_create(&waiter, NULL, wait_until_done, NULL);
  pthread_create(&ticker, NULL, beat, NULL);
  ready();
  pthread_join(waiter, NULL);
  return 0;
}
