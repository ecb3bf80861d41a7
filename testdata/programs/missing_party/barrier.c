/* IPC302 deadlock: a barrier for three, and only two processes come */
#include "../program.h"

static pthread_barrier_t* barrier;

static void meet(void* unused) {
  (void)unused;
  pthread_barrier_wait(barrier);
}

int main(void) {
  die_with_parent();
  barrier = shared_memory(sizeof *barrier);
  pthread_barrierattr_t attributes;
  pthread_barrierattr_init(&attributes);
  pthread_barrierattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  pthread_barrier_init(barrier, &attributes, 3);
  const pid_t child = start(meet, NULL);
  role("stuck", child);
  role("stuck", getpid());
  ready();
  pthread_barrier_wait(barrier);
  return 0;
}
