#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ipcdoctor::cmd {

/// The name that was probably meant: it begins with `wrong`, or a third of its letters at most
/// differ, two that changed places counting as one. "" if there is none.
std::string closest(std::string_view wrong, const std::vector<std::string>& names);

/// "; did you mean X?", or "".
std::string did_you_mean(std::string_view wrong, const std::vector<std::string>& names);

}  // namespace ipcdoctor::cmd
