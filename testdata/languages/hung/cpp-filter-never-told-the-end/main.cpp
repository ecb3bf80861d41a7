#include <cstdio>
#include <iostream>
#include <string>
#include <sys/wait.h>
#include <unistd.h>
#include "role.h"

class Filter {
 public:
  Filter(const char* program) {
    int in[2], out[2];
    if (pipe(in) || pipe(out)) throw 1;
    pid_ = fork();
    if (pid_ == 0) {
      role("filter");
      dup2(in[0], 0);
      dup2(out[1], 1);
      for (int fd : {in[0], in[1], out[0], out[1]}) close(fd);
      execlp(program, program, nullptr);
      _exit(127);
    }
    close(in[0]);
    close(out[1]);
    to_ = in[1];
    from_ = out[0];
  }
  void put(const std::string& s) { (void)!write(to_, s.data(), s.size()); }
  std::string rest() {
    std::string all;
    char buf[512];
    for (ssize_t n; (n = read(from_, buf, sizeof buf)) > 0;) all.append(buf, n);
    return all;
  }
  ~Filter() {
    close(to_);
    close(from_);
    waitpid(pid_, nullptr, 0);
  }

 private:
  pid_t pid_;
  int to_, from_;
};

int main() {
  role("main");
  Filter f("sort");
  f.put("b\na\n");
  std::cout << f.rest();
}
