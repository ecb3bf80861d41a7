#include <cstdio>
#include <future>
#include <iostream>

int main() {
  auto out = std::async(std::launch::async, [] {
    FILE* p = popen("sleep 270; echo built", "r");
    char line[100];
    bool any = fgets(line, sizeof line, p);
    pclose(p);
    return any;
  });
  std::cout << out.get() << "\n";
}
