#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <stdint.h>

static volatile sig_atomic_t stop, wake;
static int efd;
static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t c = PTHREAD_COND_INITIALIZER;
static int work;

static void on_signal(int s) {
  if (s == SIGTERM) stop = 1;
  else wake = 1;
}
static void *worker(void *x) {
  (void)x;
  for (;;) {
    pthread_mutex_lock(&m);
    while (!work) pthread_cond_wait(&c, &m);
    work = 0;
    pthread_mutex_unlock(&m);
    uint64_t one = 1;
    if (write(efd, &one, 8) < 0) return 0;
  }
}
int main(void) {
  struct sigaction sa;
  memset(&sa, 0, sizeof sa);
  sa.sa_handler = on_signal;
  sigaction(SIGTERM, &sa, 0);
  sigaction(SIGUSR1, &sa, 0);
  efd = eventfd(0, 0);
  pthread_t t;
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, 0);
  pthread_create(&t, 0, worker, 0);
  sigemptyset(&all);
  pthread_sigmask(SIG_SETMASK, &all, 0);
  while (!stop) {
    struct pollfd p = {efd, POLLIN, 0};
    int n = poll(&p, 1, -1);
    if (n < 0 && errno == EINTR) {
      if (wake) {
        wake = 0;
        pthread_mutex_lock(&m);
        work = 1;
        pthread_cond_signal(&c);
        pthread_mutex_unlock(&m);
      }
      continue;
    }
    uint64_t v;
    if (n > 0 && read(efd, &v, 8) < 0) return 1;
  }
}
