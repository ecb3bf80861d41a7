#include <barrier>
#include <iostream>
#include <thread>
#include <vector>
#include <sys/wait.h>
#include <unistd.h>
#include "role.h"

int main() {
  int fds[2];
  if (pipe(fds)) return 1;
  if (fork() == 0) {
    role("child");
    close(fds[1]);
    char c;
    while (read(fds[0], &c, 1) > 0) std::cout << c;
    return 0;
  }
  role("main");
  close(fds[0]);
  const int parts = 4;
  std::barrier step(parts);
  std::vector<std::thread> workers;
  for (int i = 1; i < parts; i++)
    workers.emplace_back([&, i] {
      (void)!write(fds[1], "x", 1);
      step.arrive_and_wait();
      (void)!write(fds[1], "y", 1);
    });
  for (auto& w : workers) w.join();
  close(fds[1]);
  wait(nullptr);
}
