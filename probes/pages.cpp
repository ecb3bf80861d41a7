#include "probes/pages.h"

#include <algorithm>

namespace ipcdoctor::probes {
namespace {

constexpr std::string_view kHeading = "## What to do\n";
/// Where a language has no item of its own: calls of the system are there in every language.
constexpr std::string_view kLast = "C";
constexpr std::string_view kAny = "any language";

std::string_view to_do(std::string_view page) {
  const std::size_t heading = page.find(kHeading);
  return heading == std::string_view::npos ? "" : page.substr(heading + kHeading.size());
}

/// The length of "{FD}" at the begin of the text; 0: it is none.
std::size_t placeholder(std::string_view text) {
  if (!text.starts_with('{')) return 0;
  const std::size_t end =
      text.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ ", 1);
  return end != std::string_view::npos && end > 1 && text[end] == '}' ? end + 1 : 0;
}

/// The length of "[ at {place}]" at the begin of the text; 0: it is none.
std::size_t optional_part(std::string_view text) {
  if (!text.starts_with('[')) return 0;
  const std::size_t end = text.find_first_of("[]", 1);
  if (end == std::string_view::npos || text[end] != ']') return 0;
  for (std::size_t at = 1; at < end; ++at)
    if (placeholder(text.substr(at)) != 0) return end + 1;
  return 0;
}

const std::string* find_value(const Values& values, std::string_view name) {
  const auto found = std::ranges::find(values, name, &Values::value_type::first);
  return found == values.end() ? nullptr : &found->second;
}

/// Nothing for a part in which a value is missing or empty.
std::string fill(std::string_view text, const Values& values, bool is_optional) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const std::string_view rest = text.substr(at);
    if (const std::size_t size = optional_part(rest); size != 0) {
      out += fill(rest.substr(1, size - 2), values, true);
      at += size;
    } else if (const std::size_t length = placeholder(rest); length != 0) {
      const std::string_view name = rest.substr(1, length - 2);
      const std::string* value = find_value(values, name);
      if (is_optional && (value == nullptr || value->empty())) return "";
      out += value == nullptr || value->empty() ? name : *value;
      at += length;
    } else {
      out += text[at++];
    }
  }
  return out;
}

}  // namespace

std::string_view find_page(std::string_view slug) {
  const auto page = std::ranges::find(pages(), slug, &Page::slug);
  return page == pages().end() ? "" : page->text;
}

std::string page_of(std::string_view slug) {
  const std::string_view page = find_page(slug);
  const std::string_view last = to_do(page);
  return std::string(page.substr(0, page.size() - last.size())) + filled_in(last, {});
}

std::vector<Item> items_of(std::string_view page) {
  std::vector<Item> items;
  std::string_view rest = to_do(page);
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\n'), rest.size() - 1);
    std::string_view line = rest.substr(0, rest[end] == '\n' ? end : end + 1);
    rest.remove_prefix(end + 1);
    const std::size_t colon = line.find(": ");
    if (line.starts_with("* ") && colon != std::string_view::npos)
      items.push_back({line.substr(2, colon - 2), std::string(line.substr(colon + 2))});
    else if (line.starts_with("  * ") && !items.empty())
      items.back().text.append("\n").append(line.substr(4));
    else if (line.starts_with("  ") && !items.empty())
      items.back().text.append(" ").append(
          line.substr(std::min(line.find_first_not_of(' '), line.size())));
  }
  return items;
}

std::string filled_in(std::string_view text, const Values& values) {
  return fill(text, values, false);
}

std::string find_advice(std::string_view page, std::string_view language,
                        const std::vector<Situation>& situations) {
  const std::vector<Item> items = items_of(page);
  for (const std::string_view spoken : {language, kLast}) {
    std::vector<std::string> heads;
    for (const Situation& situation : situations) {
      heads.push_back(std::string(spoken) + ", " + std::string(situation.words));
      heads.emplace_back(situation.words);
    }
    heads.emplace_back(spoken);
    for (const std::string& head : heads)
      if (const auto item = std::ranges::find(items, head, &Item::head); item != items.end())
        return item->text;
  }
  const auto item = std::ranges::find(items, kAny, &Item::head);
  return item == items.end() ? "" : item->text;
}

}  // namespace ipcdoctor::probes
