/* IPC204 deadlock: two threads take two mutexes in opposite order */
#include "../program.h"

static pthread_mutex_t accounts = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t journal = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t both_hold_one;

static void* write_journal(void* unused) {
  pthread_mutex_lock(&journal);
  pthread_barrier_wait(&both_hold_one);
  pthread_mutex_lock(&accounts);
  return unused;
}

int main(void) {
  die_with_parent();
  pthread_barrier_init(&both_hold_one, NULL, 2);
  pthread_t thread;
  pthread_create(&thread, NULL, write_journal, NULL);
  pthread_mutex_lock(&accounts);
  role("stuck", getpid());
  role("culprit", getpid());
  ready();
  pthread_barrier_wait(&both_hold_one);
  pthread_mutex_lock(&journal);
  return 0;
}
