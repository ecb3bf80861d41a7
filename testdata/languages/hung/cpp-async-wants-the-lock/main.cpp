#include <future>
#include <iostream>
#include <mutex>
#include <vector>
#include <sys/wait.h>
#include <unistd.h>
#include "role.h"

std::mutex table_mutex;
std::vector<int> table;

int main() {
  int fds[2];
  if (pipe(fds)) return 1;
  pid_t pid = fork();
  if (pid == 0) {
    role("child");
    close(fds[1]);
    int n;
    while (read(fds[0], &n, sizeof n) > 0) std::cout << n << "\n";
    return 0;
  }
  role("main");
  close(fds[0]);
  {
    std::lock_guard lock(table_mutex);
    table = {3, 1, 2};
    auto size = std::async(std::launch::async, [] {
      std::lock_guard inner(table_mutex);
      return table.size();
    });
    int n = (int)size.get();
    (void)!write(fds[1], &n, sizeof n);
  }
  close(fds[1]);
  waitpid(pid, nullptr, 0);
}
