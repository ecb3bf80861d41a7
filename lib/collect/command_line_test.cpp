#include "collect/command_line.h"

#include <gtest/gtest.h>

#include "collect/redact.h"

namespace ipcdoctor::collect {
namespace {

using Args = std::vector<std::string>;

Args parsed(const Args& args, Argv argv) {
  std::string bytes;
  for (const std::string& arg : args) bytes += arg + '\0';
  return parse_command_line(bytes, argv);
}

TEST(CommandLine, HoldsTheProgramTheScriptAndTheNamesOfOptions) {
  EXPECT_EQ(
      parsed({"/usr/bin/python3.11", "-u", "app.py", "--port", "80", "--db=x", "-phunter2", "y"},
             Argv::Names),
      (Args{"/usr/bin/python3.11", "-u", "app.py", "--port", "...", "--db=...", "-p...", "..."}));
  EXPECT_EQ(parsed({"git", "clone", "https://me:secret@host/x"}, Argv::Names),
            (Args{"git", "...", "..."}));
  EXPECT_EQ(parsed({"python3", "-m", "pytest", "tests"}, Argv::Names),
            (Args{"python3", "-m", "pytest", "..."}));
}

TEST(CommandLine, LeavesAProgramOnTheCommandLineOut) {
  EXPECT_EQ(parsed({"bash", "-c", "PASSWORD=x ./server"}, Argv::Names),
            (Args{"bash", "-c", "..."}));
}

TEST(CommandLine, KeepsOrdinaryValuesWhenAsked) {
  const Args args{"x",
                  "--jobs=4",
                  "-p",
                  "8080",
                  "http://host:80/a",
                  "-u",
                  "me",
                  "/usr/lib/x86_64-linux-gnu/libpthread-2.36.so",
                  "--monkey",
                  "Z",
                  "make",
                  "-j8",
                  "-O2",
                  "multiprocessing.resource_tracker"};

  EXPECT_EQ(parsed(args, Argv::Values), args);
}

TEST(CommandLine, RedactsValuesThatLookLikeSecrets) {
  const struct {
    Args given;
    Args expected;
  } kCases[] = {
      {{"x", "--password=hunter2"}, {"x", "--password=***"}},
      {{"x", "API_TOKEN=abc"}, {"x", "API_TOKEN=***"}},
      {{"x", "--token", "abc", "y"}, {"x", "--token", "***", "y"}},
      {{"mysql", "-phunter2"}, {"mysql", "-p***"}},
      {{"x", "-p", "hunter2"}, {"x", "-p", "***"}},
      {{"x", "--key", "abc"}, {"x", "--key", "***"}},
      {{"curl", "-u", "me:pw"}, {"curl", "-u", "me:***"}},
      {{"curl", "-ume:pw"}, {"curl", "-ume:***"}},
      {{"curl", "-H", "Authorization: Bearer abc.def"}, {"curl", "-H", "Authorization: ***"}},
      {{"curl", "-H", "X-Auth: Basic YTpi"}, {"curl", "-H", "X-Auth: ***"}},
      {{"curl", "-H", "x: bearer abcdef"}, {"curl", "-H", "x: bearer ***"}},
      {{"curl", "-H", "X-Api-Key: abc"}, {"curl", "-H", "X-Api-Key: ***"}},
      {{"x", "postgres://me:secret@db/x"}, {"x", "postgres://me:***@db/x"}},
      {{"x", "https://h/x?a=1&sig=abc&b=2"}, {"x", "https://h/x?a=1&sig=***&b=2"}},
      {{"x", "Server=a;Password=b c;Port=1"}, {"x", "Server=a;Password=*** c;Port=1"}},
      {{"x", "{\"password\": \"abc\", \"a\": 1}"}, {"x", "{\"password\": \"***\", \"a\": 1}"}},
      {{"x", "ghp_abcdefghij0123456789"}, {"x", "***"}},
      {{"x", "AKIAIOSFODNN7EXAMPLE"}, {"x", "***"}},
      {{"x", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc_def"}, {"x", "***"}},
      {{"x", "sk-proj-abcdefgh12345678"}, {"x", "***"}},
      {{"x", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY1x9Q"}, {"x", "wJalrXUtnFEMI/K7MDENG/***"}},
      {{"x", "9f86d081884c7d659a2feaa0c55ad015"}, {"x", "***"}},
      {{"sh", "-c", "export DB_PASSWORD=abc; run"}, {"sh", "-c", "export DB_PASSWORD=***; run"}},
      {{"x", "-----BEGIN RSA PRIVATE KEY-----\nabc"}, {"x", "***"}},
  };
  for (const auto& [given, expected] : kCases) {
    EXPECT_EQ(parsed(given, Argv::Values), expected);
  }
}

TEST(CommandLine, MakesControlCharactersHarmless) {
  EXPECT_EQ(parsed({"a\x1b[31m"}, Argv::Names), (Args{"a\\x1b[31m"}));
  EXPECT_EQ(parsed({"a\x1b[31m"}, Argv::Values), (Args{"a\\x1b[31m"}));
}

TEST(Redact, KnowsTheNamesOfSecretsAsWholeWords) {
  EXPECT_TRUE(names_a_secret("--ssh-key"));
  EXPECT_TRUE(names_a_secret("DB_PASS"));
  EXPECT_FALSE(names_a_secret("--keyboard"));
  EXPECT_FALSE(names_a_secret("--passive"));
  EXPECT_FALSE(names_a_secret("--author"));
}

}  // namespace
}  // namespace ipcdoctor::collect
