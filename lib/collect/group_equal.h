#pragma once

#include <compare>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "base/result.h"

namespace ipcdoctor::collect {

/// Puts together what is equal, by an order that may fail, as kcmp(2)'s does. Whoever is not even
/// equal to itself any more (Gone) is left out. A std::map stays whole whatever it is told, which
/// std::sort and std::stable_sort do not.
/// @param compare  Result<std::strong_ordering>(const T&, const T&)
/// @return the groups; an error if two that are there could not be compared: then nothing is known
template <class T, class Compare>
Result<std::vector<std::vector<T>>> group_equal(std::vector<T> items, const Compare& compare) {
  constexpr int kMaxAttempts = 8;  // each time some have ended meanwhile
  std::optional<Error> failure;
  const auto is_before = [&](const T& a, const T& b) {
    if (failure) return false;
    const Result<std::strong_ordering> order = compare(a, b);
    if (!order) failure = order.error();
    return order && *order == std::strong_ordering::less;
  };
  for (int attempt = 0; attempt < kMaxAttempts; ++attempt) {
    failure.reset();
    std::map<T, std::vector<T>, decltype(is_before)> by_order(is_before);
    for (const T& item : items) by_order[item].push_back(item);
    if (!failure) {
      std::vector<std::vector<T>> groups;
      for (auto& [first, group] : by_order) groups.push_back(std::move(group));
      return groups;
    }
    if (failure->cause != Cause::Gone) break;
    const std::size_t ended = std::erase_if(items, [&](const T& item) {
      const Result<std::strong_ordering> same = compare(item, item);
      return !same && same.error().cause == Cause::Gone;
    });
    if (ended == 0) break;
  }
  return *failure;
}

}  // namespace ipcdoctor::collect
