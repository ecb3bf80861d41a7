/* IPC205 deadlock: a handler of a signal locks what the code that it interrupts holds */
#include "../program.h"

static pthread_mutex_t table_mutex = PTHREAD_MUTEX_INITIALIZER;

static void reload(int number) {
  (void)number;
  pthread_mutex_lock(&table_mutex);
  pthread_mutex_unlock(&table_mutex);
}

int main(void) {
  die_with_parent();
  signal(SIGUSR1, reload);
  role("stuck", getpid());
  role("culprit", getpid());
  pthread_mutex_lock(&table_mutex);
  ready();
  raise(SIGUSR1);
  pthread_mutex_unlock(&table_mutex);
  return 0;
}
