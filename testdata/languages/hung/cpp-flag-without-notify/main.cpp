#include <condition_variable>
#include <iostream>
#include <mutex>
#include <thread>
#include <sys/wait.h>
#include <unistd.h>
#include "role.h"

std::mutex m;
std::condition_variable ready;
bool loaded = false;

void load() {
  usleep(100000);
  std::lock_guard lock(m);
  loaded = true;
}

int main() {
  int fds[2];
  if (pipe(fds)) return 1;
  if (fork() == 0) {
    role("child");
    close(fds[1]);
    char c;
    return (int)read(fds[0], &c, 1);
  }
  role("main");
  close(fds[0]);
  std::thread loader(load);
  std::unique_lock lock(m);
  ready.wait(lock, [] { return loaded; });
  loader.join();
  if (write(fds[1], "x", 1) != 1) return 1;
  wait(nullptr);
}
