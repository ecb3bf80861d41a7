/* What every program here does before it hangs. */
#pragma once
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static inline void check(int ok, const char* what) {
  if (ok) return;
  perror(what);
  exit(1);
}

/* Call it first in main and in every child: nothing is left when the test is killed. */
static inline void die_with_parent(void) { prctl(PR_SET_PDEATHSIG, SIGKILL); }

/* "stuck PID" or "culprit PID": what the test expects of the report. */
static inline void role(const char* name, pid_t pid) {
  printf("%s %d\n", name, (int)pid);
  fflush(stdout);
}

/* The program hangs from here on, or will within a moment. */
static inline void ready(void) {
  puts("READY");
  fflush(stdout);
}

static inline pid_t start(void (*child)(void*), void* argument) {
  fflush(stdout);
  const pid_t pid = fork();
  check(pid >= 0, "fork");
  if (pid != 0) return pid;
  die_with_parent();
  child(argument);
  _exit(0);
}

static inline void make_pipe(int ends[2]) { check(pipe(ends) == 0, "pipe"); }

static inline void* shared_memory(size_t size) {
  void* memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  check(memory != MAP_FAILED, "mmap");
  return memory;
}

/* Blocks until another process has reached the same point: one byte over a pipe. */
static inline void tell(int fd) { check(write(fd, "x", 1) == 1, "write"); }
static inline void hear(int fd) {
  char byte;
  check(read(fd, &byte, 1) == 1, "read");
}

static inline void init_shared_mutex(pthread_mutex_t* mutex) {
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  check(pthread_mutex_init(mutex, &attributes) == 0, "pthread_mutex_init");
}
