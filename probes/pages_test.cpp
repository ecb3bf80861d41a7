#include "probes/pages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>

#include "snapshot/language.h"

namespace ipcdoctor::probes {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kPage = R"(# IPC999 an-example

## What to do
* Python, it is late: Close `fd` {FD} in {the process}[ at {place}],
  and wait.
  * To go on now:
    kill {PID}
* Python: Wait.
* it is late: Hurry [1].
* C: close({FD})
)";

std::string advice(std::string_view language, const std::vector<Situation>& situations) {
  return find_advice(kPage, language, situations);
}

TEST(Pages, TheBestItemIsThatOfTheLanguageAndTheSituation) {
  EXPECT_THAT(advice("Python", {{"it is late"}}), HasSubstr("Close"));
  EXPECT_EQ(advice("Python", {{"it is early"}, {}}), "Wait.");
  EXPECT_EQ(advice("Go", {{"it is early"}, {"it is late"}}), "Hurry [1].");
}

TEST(Pages, ALanguageWithoutAnItemHasThatOfC) {
  EXPECT_EQ(advice("Go", {}), "close({FD})");
  EXPECT_EQ(advice("", {{"it is early"}}), "close({FD})");
}

TEST(Pages, ValuesStandForPlaceholdersAndPartsWithoutOneGo) {
  const std::string item = advice("Python", {{"it is late"}});
  const Values values = {{"FD", "4"}, {"the process", "app[7]"}, {"PID", "7"}};

  EXPECT_EQ(filled_in(item, values), "Close `fd` 4 in app[7], and wait.\nTo go on now: kill 7");
  EXPECT_THAT(filled_in(item, {{"place", "app.py:9"}}),
              HasSubstr("FD in the process at app.py:9, and"));
}

/// What the sources of a probe name by that pattern.
std::set<std::string> named_in(const std::filesystem::path& folder, const char* pattern) {
  const std::regex name(pattern);
  std::set<std::string> found;
  for (const auto& file : std::filesystem::directory_iterator(folder)) {
    const std::string path = file.path();
    if (!path.ends_with(".cpp") || path.ends_with("_test.cpp")) continue;
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    const std::string code = text.str();
    for (std::sregex_iterator it(code.begin(), code.end(), name), end; it != end; ++it)
      found.insert((*it)[1]);
  }
  return found;
}

class EachPage : public ::testing::TestWithParam<Page> {
 protected:
  std::filesystem::path folder() const {
    std::string name(GetParam().slug);
    std::ranges::replace(name, '-', '_');
    return std::filesystem::path(IPCDOCTOR_SOURCE "/probes") / name;
  }
  std::set<std::string> situations() const {
    return named_in(folder(), R"re(Situation\{\s*"([^"]+)"\})re");
  }
};

TEST_P(EachPage, HasAnItemForEachSituationInEachLanguage) {
  const bool has_default = !find_advice(GetParam().text, "", {}).empty();
  for (const std::string& situation : situations())
    for (const std::string_view language : snapshot::languages())
      EXPECT_NE(find_advice(GetParam().text, language, {{situation}}), "") << situation;
  EXPECT_TRUE(has_default || !situations().empty());
}

/// A head is a language, a situation that the probe has, or both; a call such as "subprocess.wait"
/// is one where the probe asks by the call.
TEST_P(EachPage, HasNoItemThatNobodyAsksFor) {
  const std::set<std::string> known = situations();
  const auto languages = snapshot::languages();
  const bool by_call = !named_in(folder(), R"((Situation\{[^"}\s]))").empty();
  for (const Item& item : items_of(GetParam().text)) {
    std::string_view situation = item.head;
    for (const std::string_view language : languages) {
      if (situation == language) situation = "";
      const std::string prefix = std::string(language) + ", ";
      if (situation.starts_with(prefix)) situation.remove_prefix(prefix.size());
    }
    if (situation.empty() || situation == "any language") continue;
    if (by_call && situation.find(' ') == std::string_view::npos) continue;
    EXPECT_THAT(known, Contains(std::string(situation))) << item.head;
  }
}

TEST_P(EachPage, HasPlaceholdersThatTheProbeFillsIn) {
  std::set<std::string> filled = named_in(folder(), R"re(\{\s*"([A-Za-z ]+)",)re");
  filled.insert({"the process", "place"});
  static const std::regex kName(R"(\{([^{}]*)\})");
  for (const Item& item : items_of(GetParam().text))
    for (std::sregex_iterator it(item.text.begin(), item.text.end(), kName), end; it != end; ++it)
      EXPECT_THAT(filled, Contains((*it)[1].str())) << item.text;
}

TEST_P(EachPage, IsReadableWithoutAProcess) {
  const std::string page = page_of(GetParam().slug);
  const std::string to_do = page.substr(page.find("## What to do"));
  EXPECT_THAT(to_do, Not(HasSubstr("{")));
  EXPECT_THAT(to_do, HasSubstr("\n* "));
}

std::string name_of(const ::testing::TestParamInfo<Page>& page) {
  std::string name(page.param.slug);
  std::ranges::replace(name, '-', '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Classes, EachPage, ::testing::ValuesIn(pages()), name_of);

}  // namespace
}  // namespace ipcdoctor::probes
