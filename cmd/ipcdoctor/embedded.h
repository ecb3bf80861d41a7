#pragma once

#include <string_view>
#include <vector>

/// Texts that were files when ipcdoctor was built (embed.cmake).
namespace ipcdoctor::cmd {

struct DemoText {
  std::string_view name;
  std::string_view text;
};

/// The programs of `ipcdoctor demo` for a binary that was installed alone; the best one first.
const std::vector<DemoText>& demo_texts();

/// The JSON Schema of write_json().
std::string_view report_schema();

}  // namespace ipcdoctor::cmd
