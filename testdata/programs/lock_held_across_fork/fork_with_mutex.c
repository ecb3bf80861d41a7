/* IPC201 deadlock: a mutex was locked by another thread at fork; the child's copy is never unlocked */
#include "../program.h"

static pthread_mutex_t log_mutex = PTHREAD_MUTEX_INITIALIZER;
static int locked[2];

static void* hold(void* unused) {
  pthread_mutex_lock(&log_mutex);
  tell(locked[1]);
  pause();
  return unused;
}

static void log_line(void* unused) {
  (void)unused;
  pthread_mutex_lock(&log_mutex);
  pthread_mutex_unlock(&log_mutex);
}

int main(void) {
  die_with_parent();
  make_pipe(locked);
  pthread_t holder;
  pthread_create(&holder, NULL, hold, NULL);
  hear(locked[0]);
  const pid_t child = start(log_line, NULL);
  role("stuck", child);
  ready();
  waitpid(child, NULL, 0);
  return 0;
}
