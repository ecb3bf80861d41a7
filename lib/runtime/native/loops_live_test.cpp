#include "runtime/native/loops.h"

#include <gtest/gtest.h>
#include <sys/syscall.h>

#include <filesystem>

#include "unwind/child_for_test.h"
#include "unwind/unwind.h"

namespace ipcdoctor::runtime::native {
namespace {

using unwind::test::Child;
using unwind::test::compile;

/// Of a main() that blocks in openat(2) of a FIFO of its own, compiled with and without
/// optimisation.
bool comes_back(const std::string& body, const char* optimisation) {
  const std::string source =
      "#include <fcntl.h>\n#include <stdio.h>\n#include <stdlib.h>\n#include <sys/prctl.h>\n"
      "#include <signal.h>\n#include <sys/stat.h>\n#include <unistd.h>\n"
      "int main(int c, char **v) { prctl(PR_SET_PDEATHSIG, SIGKILL); mkfifo(\"f\", 0600);\n"
      "char b[16];\n" +
      body + "\nreturn c + !v; }\n";
  const std::string program = compile(source, optimisation);
  const std::string folder = std::filesystem::path(program).parent_path();
  const Child child([&] {
    if (::chdir(folder.c_str()) == 0) (void)::execl(program.c_str(), program.c_str(), "f", nullptr);
  });
  const auto blocked = child.wait_blocked(SYS_openat);
  if (blocked.empty()) {
    ADD_FAILURE() << "it does not open the FIFO";
    return false;
  }
  const auto space = linux::AddressSpace::open(Pid{child.pid()});
  unwind::Images images;
  const auto frames = images.unwind(*space, unwind::test::registers_of(blocked.front().second));
  return frames && opens_in_loop(*space, images, *frames);
}

class Loops : public ::testing::TestWithParam<const char*> {};

TEST_P(Loops, AServiceOpensItsFifoAgainThoughItMayEnd) {
  EXPECT_TRUE(
      comes_back("for (;;) { int f = open(\"f\", O_RDONLY); if (f < 0) exit(1);\n"
                 "if (read(f, b, 1) == 1 && *b == 'q') return 0; close(f); }",
                 GetParam()));
  EXPECT_TRUE(comes_back(
      "FILE *f; while ((f = fopen(\"f\", \"w\"))) { fputs(\"ok\", f); fclose(f); }", GetParam()));
}

TEST_P(Loops, WhatIsOpenedOnceOrFromAListIsNoService) {
  EXPECT_FALSE(
      comes_back("int f = open(\"f\", O_RDONLY); while (read(f, b, 1) == 1) {}", GetParam()));
  EXPECT_FALSE(comes_back(
      "for (int i = 1; i < c; i++) { FILE *f = fopen(v[i], \"r\"); fclose(f); }", GetParam()));
  EXPECT_FALSE(comes_back("for (int i = 0; i < 2; i++) if (i) { open(\"f\", O_RDONLY); _exit(0); }",
                          GetParam()));
}

INSTANTIATE_TEST_SUITE_P(Optimised, Loops, ::testing::Values("-O0", "-O2"));

}  // namespace
}  // namespace ipcdoctor::runtime::native
