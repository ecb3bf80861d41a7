/* IPC204: a reader of a rwlock wants a mutex whose holder wants to write. Readers are only counted, never named. */
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static pthread_rwlock_t config_lock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_mutex_t log_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t both;

static void* reload(void* unused) {
  pthread_mutex_lock(&log_mutex);
  pthread_barrier_wait(&both);
  pthread_rwlock_wrlock(&config_lock);
  return unused;
}

int main(void) {
  pthread_t thread;
  pthread_barrier_init(&both, NULL, 2);
  pthread_create(&thread, NULL, reload, NULL);
  pthread_rwlock_rdlock(&config_lock);
  pthread_barrier_wait(&both);
  printf("stuck %d\nculprit %d\nREADY\n", (int)getpid(), (int)getpid());
  fflush(stdout);
  pthread_mutex_lock(&log_mutex);
  return 0;
}
