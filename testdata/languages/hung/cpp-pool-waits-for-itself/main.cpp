#include <condition_variable>
#include <functional>
#include <future>
#include <iostream>
#include <queue>
#include <thread>
#include <vector>
#include <sys/wait.h>
#include <unistd.h>
#include "role.h"

class Pool {
 public:
  explicit Pool(int n) {
    for (int i = 0; i < n; i++) threads_.emplace_back([this] { work(); });
  }
  std::future<int> submit(std::function<int()> f) {
    auto task = std::make_shared<std::packaged_task<int()>>(std::move(f));
    std::lock_guard lock(mutex_);
    tasks_.push([task] { (*task)(); });
    changed_.notify_one();
    return task->get_future();
  }

 private:
  void work() {
    for (;;) {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return !tasks_.empty(); });
      auto task = std::move(tasks_.front());
      tasks_.pop();
      lock.unlock();
      task();
    }
  }
  std::mutex mutex_;
  std::condition_variable changed_;
  std::queue<std::function<void()>> tasks_;
  std::vector<std::thread> threads_;
};

Pool pool(2);

int depth(int n) {
  if (n == 0) return 1;
  auto a = pool.submit([n] { return depth(n - 1); });
  auto b = pool.submit([n] { return depth(n - 1); });
  usleep(50000);
  return a.get() + b.get();
}

int main() {
  role("main");
  std::cout << pool.submit([] { return depth(3); }).get() << "\n";
}
