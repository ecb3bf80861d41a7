/* To be preloaded: every few reads give less than was asked for and is there, as read(2) may. SHORT_READS is the seed. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

static size_t shortened(size_t size) {
  static unsigned state;
  const char* seed = getenv("SHORT_READS");
  if (state == 0) state = 2 * (seed == NULL ? 0 : (unsigned)atoi(seed)) + 1;
  state = state * 1103515245 + 12345;
  return size > 1 && (state >> 16) % 4 == 0 ? 1 + (state >> 18) % (size < 200 ? size : 200) : size;
}

ssize_t read(int fd, void* into, size_t size) {
  static ssize_t (*next)(int, void*, size_t);
  if (next == NULL) next = (ssize_t(*)(int, void*, size_t))dlsym(RTLD_NEXT, "read");
  return next(fd, into, shortened(size));
}

ssize_t pread64(int fd, void* into, size_t size, off_t at) {
  static ssize_t (*next)(int, void*, size_t, off_t);
  if (next == NULL) next = (ssize_t(*)(int, void*, size_t, off_t))dlsym(RTLD_NEXT, "pread64");
  return next(fd, into, shortened(size), at);
}

ssize_t pread(int fd, void* into, size_t size, off_t at) { return pread64(fd, into, size, at); }

/* what the compiler makes of them where it knows how much room there is */
ssize_t __read_chk(int fd, void* into, size_t size, size_t room) {
  (void)room;
  return read(fd, into, size);
}

ssize_t __pread_chk(int fd, void* into, size_t size, off_t at, size_t room) {
  (void)room;
  return pread64(fd, into, size, at);
}

ssize_t __pread64_chk(int fd, void* into, size_t size, off_t at, size_t room) {
  (void)room;
  return pread64(fd, into, size, at);
}
