#include "base/text.h"

#include <gtest/gtest.h>

namespace ipcdoctor {

TEST(EscapeUntrusted, KeepsPlainAndAccentedText) {
  EXPECT_EQ(escape_untrusted("app.py caf\u00e9 \u4e2d"), "app.py caf\u00e9 \u4e2d");
}

TEST(EscapeUntrusted, EscapesTerminalControls) {
  EXPECT_EQ(escape_untrusted("\x1b[31m\n\x7f"), "\\x1b[31m\\x0a\\x7f");
}

TEST(EscapeUntrusted, EscapesC1AndBidiControlsByteByByte) {
  EXPECT_EQ(escape_untrusted("\u009b"), "\\xc2\\x9b");
  EXPECT_EQ(escape_untrusted("\u202e"), "\\xe2\\x80\\xae");
}

TEST(EscapeUntrusted, EscapesInvalidUtf8) {
  EXPECT_EQ(escape_untrusted("\xff\xc3("), "\\xff\\xc3(");
  EXPECT_EQ(escape_untrusted("\xed\xa0\x80"), "\\xed\\xa0\\x80");
  EXPECT_EQ(escape_untrusted("\xe4\xb8"), "\\xe4\\xb8");
}

TEST(EscapeUntrusted, IsIdempotent) {
  const std::string once = escape_untrusted("a\\b\x1b\xff");

  EXPECT_EQ(escape_untrusted(once), once);
}

TEST(BreakWorkflowCommands, PutsASpaceIntoBothKinds) {
  EXPECT_EQ(break_workflow_commands("::error::x\n  ::stop-commands::y\n"),
            ": :error::x\n  : :stop-commands::y\n");
  EXPECT_EQ(break_workflow_commands("at ##[error]x"), "at ## [error]x");
  EXPECT_EQ(break_workflow_commands("\u00a0::error::x"), "\u00a0: :error::x");
}

TEST(BreakWorkflowCommands, LeavesNamesOfCppInALineAsTheyAre) {
  EXPECT_EQ(break_workflow_commands("in std::mutex::lock # 3 ##"), "in std::mutex::lock # 3 ##");
}

TEST(Enumerate, NamesTheFirstAndCountsTheRest) {
  EXPECT_EQ(enumerate({}, 3), "");
  EXPECT_EQ(enumerate({"a"}, 3), "a");
  EXPECT_EQ(enumerate({"a", "b"}, 3), "a and b");
  EXPECT_EQ(enumerate({"a", "b", "c"}, 3), "a, b and c");
  EXPECT_EQ(enumerate({"a", "b", "c", "d"}, 3), "a, b, c and 1 more");
  EXPECT_EQ(enumerate({"a", "b"}, 3, 9), "a, b and 7 more");
}

TEST(HoldsAny, LooksForEachPart) {
  constexpr std::string_view kParts[] = {"/gems/", "/lib/"};

  EXPECT_TRUE(holds_any("/usr/lib/x.rb", kParts));
  EXPECT_FALSE(holds_any("/src/x.rb", kParts));
}

}  // namespace ipcdoctor
