#pragma once

#include <compare>
#include <cstdint>
#include <functional>

namespace ipcdoctor {

/// An integer that cannot be mistaken for another kind of integer.
template <class Tag, class Rep>
struct Id {
  using rep = Rep;
  Rep value{};
  friend auto operator<=>(const Id&, const Id&) = default;
};

using Pid = Id<struct PidTag, int>;                    ///< a thread group, in our own PID namespace
using Tid = Id<struct TidTag, int>;                    ///< a thread, in our own PID namespace
using RemoteAddr = Id<struct AddrTag, std::uint64_t>;  ///< an address in a target's memory

}  // namespace ipcdoctor

template <class Tag, class Rep>
struct std::hash<ipcdoctor::Id<Tag, Rep>> {
  std::size_t operator()(const ipcdoctor::Id<Tag, Rep>& id) const {
    return std::hash<Rep>{}(id.value);
  }
};
