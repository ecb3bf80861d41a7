#include <iostream>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <sys/wait.h>
#include <unistd.h>
#include "role.h"

struct Store {
  std::mutex index_mutex, data_mutex;
  std::map<std::string, int> index;
  std::string data;

  void put(const std::string& key) {
    std::lock_guard d(data_mutex);
    data += key;
    usleep(100000);
    std::lock_guard i(index_mutex);
    index[key] = (int)data.size();
  }
  void remove(const std::string& key) {
    std::lock_guard i(index_mutex);
    index.erase(key);
    usleep(100000);
    std::lock_guard d(data_mutex);
    data.clear();
  }
};

int main() {
  int fds[2];
  if (pipe(fds)) return 1;
  if (fork() == 0) {
    role("child");
    close(fds[1]);
    char c;
    while (read(fds[0], &c, 1) > 0) {
    }
    return 0;
  }
  role("main");
  close(fds[0]);
  Store s;
  std::thread a([&] { s.put("a"); }), b([&] { s.remove("a"); });
  a.join();
  b.join();
  close(fds[1]);
  wait(nullptr);
}
