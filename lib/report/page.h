#pragma once

#include <string_view>

namespace ipcdoctor::report {

/// A file of this folder that goes into the page as it is, with its hash in hexadecimal.
struct PagePart {
  std::string_view text;
  std::string_view sha256;
};

PagePart page_style();   ///< page.css
PagePart page_script();  ///< page.js

}  // namespace ipcdoctor::report
