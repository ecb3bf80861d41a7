/* IPC104 deadlock: two processes with a pipe in each direction both read first */
#include "../program.h"

static int to_child[2], to_parent[2];

static void serve(void* unused) {
  (void)unused;
  close(to_child[1]);
  close(to_parent[0]);
  hear(to_child[0]);
  tell(to_parent[1]);
}

int main(void) {
  die_with_parent();
  make_pipe(to_child);
  make_pipe(to_parent);
  const pid_t child = start(serve, NULL);
  close(to_child[0]);
  close(to_parent[1]);
  role("stuck", child);
  role("stuck", getpid());
  ready();
  hear(to_parent[0]);
  tell(to_child[1]);
  return 0;
}
