#include "collect/command_line.h"

#include <gtest/gtest.h>

namespace ipcdoctor::collect {
namespace {

using Args = std::vector<std::string>;

TEST(CommandLine, SplitsAtNulBytes) {
  EXPECT_EQ(parse_command_line(std::string_view("a\0b c\0", 6)), (Args{"a", "b c"}));
}

TEST(CommandLine, RedactsAValueBehindAnEqualsSign) {
  EXPECT_EQ(parse_command_line(std::string_view("x\0--password=hunter2\0API_TOKEN=abc\0", 34)),
            (Args{"x", "--password=***", "API_TOKEN=***"}));
}

TEST(CommandLine, RedactsTheArgumentBehindASecretOption) {
  EXPECT_EQ(parse_command_line(std::string_view("x\0--token\0abc\0y\0", 16)),
            (Args{"x", "--token", "***", "y"}));
}

TEST(CommandLine, RedactsThePasswordOfAUrl) {
  EXPECT_EQ(parse_command_line("postgres://me:secret@db/x"), (Args{"postgres://me:***@db/x"}));
}

TEST(CommandLine, KeepsOrdinaryOptions) {
  EXPECT_EQ(parse_command_line(std::string_view("x\0--jobs=4\0http://host:80/a\0", 28)),
            (Args{"x", "--jobs=4", "http://host:80/a"}));
}

TEST(CommandLine, MakesControlCharactersHarmless) {
  EXPECT_EQ(parse_command_line("a\x1b[31m"), (Args{"a\\x1b[31m"}));
}

}  // namespace
}  // namespace ipcdoctor::collect
