#include "snapshot/language.h"

#include <gtest/gtest.h>

namespace ipcdoctor::snapshot {
namespace {

std::string_view language_of(const char* comm, const char* exe) {
  Process process;
  process.comm = comm;
  process.exe = exe;
  return snapshot::language_of(process);
}

TEST(Language, IsKnownByTheInterpreterWhateverItsVersion) {
  EXPECT_EQ(language_of("sh", "/usr/bin/busybox"), "shell");
  EXPECT_EQ(language_of("job.sh", "/usr/bin/bash"), "shell");
  EXPECT_EQ(language_of("php", "/usr/bin/php8.2"), "PHP");
  EXPECT_EQ(language_of("MainThread", "/usr/lib/jvm/java-17-openjdk-amd64/bin/java"), "Java");
  EXPECT_EQ(language_of("cat", "/usr/bin/cat"), "C");
}

TEST(Language, IsKnownByTheRuntimeBeforeTheName) {
  Process process;
  process.comm = "bash";
  process.interpreter.version = "3.11.2";

  EXPECT_EQ(snapshot::language_of(process), "Python");
}

}  // namespace
}  // namespace ipcdoctor::snapshot
