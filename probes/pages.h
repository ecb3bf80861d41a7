#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// The pages of the classes, and what they say is to do.
///
/// An item of "What to do" is `* HEAD: TEXT`. Its head is a language, or a situation that the probe
/// tells apart, or both: `Python, the reader has it`. The text is what a report says: it has the
/// value of a placeholder, as {FD}, or its name where none is known; [ at {place}] is left out
/// then. An item `  * TEXT` below it is one more line. A placeholder's name is what a person reads
/// instead.
namespace ipcdoctor::probes {

struct Page {
  std::string_view slug;
  std::string_view text;  ///< probes/<slug>/README.md when ipcdoctor was built (pages.cmake)
};

const std::vector<Page>& pages();

/// The page as it is written; "" for a class that has none.
std::string_view find_page(std::string_view slug);

/// The page for people: without what only reports fill in. "" for a class that has none.
std::string page_of(std::string_view slug);

/// One that a probe tells apart, or the call that a thread is in.
struct Situation {
  std::string_view words;
};

struct Item {
  std::string_view head;
  std::string text;
};

/// The items of "What to do", in the order of the page.
std::vector<Item> items_of(std::string_view page);

using Values = std::vector<std::pair<std::string_view, std::string>>;

/// With the values instead of the placeholders.
std::string filled_in(std::string_view text, const Values& values);

/// The text of the best item: for the first of the situations for which there is one, in that
/// language or for all; else that of the language; else as if it were C; else that of "any
/// language";
/// "" where there is none.
std::string find_advice(std::string_view page, std::string_view language,
                        const std::vector<Situation>& situations);

}  // namespace ipcdoctor::probes
