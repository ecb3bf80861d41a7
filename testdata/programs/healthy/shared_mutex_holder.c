/* healthy: a process waits for a mutex in a file, which another one holds and will release.
 * `hold FILE` and `wait FILE` are each of them alone, for tests of what cannot be seen; `pi FILE` holds one that inherits
 * priorities. */
#include "../program.h"

static pthread_mutex_t* map_mutex(const char* path) {
  const int fd = open(path, O_RDWR | O_CREAT, 0666);
  check(fd >= 0 && ftruncate(fd, 4096) == 0, path);
  void* page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  check(page != MAP_FAILED, "mmap");
  close(fd);
  return page;
}

static void keep(pthread_mutex_t* mutex) {
  pthread_mutex_lock(mutex);
  ready();
  sleep(1000);
  pthread_mutex_unlock(mutex);
}

static void hold(void* path) {
  pthread_mutex_t* mutex = map_mutex(path);
  init_shared_mutex(mutex);
  keep(mutex);
}

static void hold_inheriting(const char* path) {
  pthread_mutex_t* mutex = map_mutex(path);
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT);
  pthread_mutex_init(mutex, &attributes);
  keep(mutex);
}

int main(int argc, char** argv) {
  die_with_parent();
  char made[] = "/tmp/shared_mutex_XXXXXX";
  char* path = argc == 3 ? argv[2] : made;
  if (argc == 3 && strcmp(argv[1], "hold") == 0) {
    hold(path);
    return 0;
  }
  if (argc == 3 && strcmp(argv[1], "pi") == 0) {
    hold_inheriting(path);
    return 0;
  }
  if (argc != 3) {
    check(mkstemp(made) >= 0, "mkstemp");
    start(hold, path);
    usleep(200000);
  }
  pthread_mutex_t* mutex = map_mutex(path);
  if (argc != 3) unlink(path);
  pthread_mutex_lock(mutex);
  return 0;
}
