#include <condition_variable>
#include <mutex>
#include <chrono>
#include <csignal>
#include <sys/wait.h>
#include <unistd.h>

int main() {
  int fds[2];
  if (pipe(fds)) return 1;
  pid_t pid = fork();
  if (pid == 0) {
    char c;
    return (int)read(fds[0], &c, 1);
  }
  std::mutex m;
  std::condition_variable cv;
  bool done = false;
  std::unique_lock lock(m);
  if (!cv.wait_for(lock, std::chrono::minutes(3), [&] { return done; })) kill(pid, SIGKILL);
  waitpid(pid, nullptr, 0);
}
