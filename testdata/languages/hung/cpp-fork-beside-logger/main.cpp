#include <atomic>
#include <fstream>
#include <iostream>
#include <mutex>
#include <thread>
#include <sys/wait.h>
#include <unistd.h>
#include "role.h"

class Log {
 public:
  void write(const std::string& text) {
    std::lock_guard lock(mutex_);
    file_ << text << std::endl;
    usleep(300000);
  }

 private:
  std::mutex mutex_;
  std::ofstream file_{"log"};
};

Log log_;

int main() {
  role("main");
  std::thread t([] { log_.write("thread"); });
  usleep(100000);
  pid_t pid = fork();
  if (pid == 0) {
    role("child");
    log_.write("child");
    _exit(0);
  }
  t.join();
  waitpid(pid, nullptr, 0);
}
