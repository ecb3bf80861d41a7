#include <fcntl.h>
#include <mqueue.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/wait.h>
#include "role.h"

static void *beat(void *arg) {
  long n = 0;
  (void)arg;
  for (;;) {
    sleep(1);
    fprintf(stderr, "alive %ld\n", ++n);
  }
}

int main(void) {
  char jobs_name[64], done_name[64], buf[128];
  struct mq_attr attr = {.mq_maxmsg = 5, .mq_msgsize = 128};
  role("feeder");
  snprintf(jobs_name, sizeof jobs_name, "/jobs-%d", getpid());
  snprintf(done_name, sizeof done_name, "/done-%d", getpid());
  mqd_t jobs = mq_open(jobs_name, O_CREAT | O_RDWR, 0600, &attr);
  mqd_t done = mq_open(done_name, O_CREAT | O_RDWR, 0600, &attr);
  if (jobs < 0 || done < 0) return 1;
  mq_unlink(jobs_name);
  mq_unlink(done_name);
  if (fork() == 0) {
    role("grinder");
    for (;;) {
      ssize_t n = mq_receive(jobs, buf, sizeof buf, 0);
      if (n <= 0) break;
      mq_send(done, buf, (size_t)n, 0);
    }
    _exit(0);
  }
  pthread_t t;
  pthread_create(&t, 0, beat, 0);
  for (int i = 0; i < 100; i++) {
    int n = snprintf(buf, sizeof buf, "block %d", i);
    mq_send(jobs, buf, (size_t)n, 0);
  }
  mq_send(jobs, "", 0, 0);
  for (int i = 0; i < 100; i++) mq_receive(done, buf, sizeof buf, 0);
  wait(0);
}
