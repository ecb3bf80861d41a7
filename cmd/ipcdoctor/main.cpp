#include <cstdio>

int main() {
  std::fputs("ipcdoctor " IPCDOCTOR_VERSION "\n", stdout);
  return 0;
}
