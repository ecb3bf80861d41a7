#include "linux/namespaces.h"

#include <gtest/gtest.h>

namespace ipcdoctor::linux {
namespace {

TEST(ParseNamespaceLink, ReadsTheInode) {
  EXPECT_EQ(*parse_namespace_link("pid:[4026531836]", "pid"), kInitPidNamespace);
  EXPECT_EQ(*parse_namespace_link("net:[4026532001]", "net"), 4026532001U);
}

TEST(ParseNamespaceLink, RejectsOtherKindsAndCutTexts) {
  const std::string link = "pid:[4026531836]";
  EXPECT_FALSE(parse_namespace_link(link, "net"));
  EXPECT_FALSE(parse_namespace_link("pid_for_children:[4026531836]", "pid"));
  for (std::size_t size = 0; size < link.size(); ++size) {
    ASSERT_FALSE(parse_namespace_link(link.substr(0, size), "pid")) << size;
  }
}

}  // namespace
}  // namespace ipcdoctor::linux
