#include "snapshot/renumber.h"

#include <algorithm>
#include <nlohmann/detail/macro_scope.hpp>
#include <type_traits>

namespace ipcdoctor::snapshot {
namespace {

// for_each_field(visit, value) calls visit(member) for each member.
#define IPCDOCTOR_VISIT(member) visit(value.member);
#define IPCDOCTOR_FIELDS(Type, ...)                                         \
  template <class Visit>                                                    \
  void for_each_field(Visit& visit, Type& value) {                          \
    NLOHMANN_JSON_EXPAND(NLOHMANN_JSON_PASTE(IPCDOCTOR_VISIT, __VA_ARGS__)) \
  }
IPCDOCTOR_FIELDS(Fd, object)
#include "snapshot/fields.inc"
#undef IPCDOCTOR_FIELDS
#undef IPCDOCTOR_VISIT

/// Calls `each` for every number of a process, thread or System V object.
template <class Each>
class Walk {
 public:
  Walk(Each each, std::uint64_t tag) : each_(each), tag_(tag) {}

  void operator()(Pid& pid) { number(pid.value); }
  void operator()(Tid& tid) { number(tid.value); }
  void operator()(ObjectId& id) {
    if (id.kind == ObjectKind::Unknown) return;
    if (id.kind != ObjectKind::PidFd) {
      id.dev += tag_;
      return;
    }
    int pid = static_cast<int>(id.ino);
    number(pid);
    id.ino = static_cast<std::uint64_t>(pid);
  }
  void operator()(PageId& page) { page.dev += tag_; }
  void operator()(SharedArea& area) {
    area.dev += tag_;
    for_each_field(*this, area.mappers);
  }
  void operator()(SysvWait& wait) { number(wait.id); }
  void operator()(SysvObject& object) {
    number(object.id);
    for_each_field(*this, object.last_pids);
    for_each_field(*this, object.attached);
  }
  void operator()(Process& process) {
    if (process.ns_pid == 0) process.ns_pid = process.pid.value;
    snapshot::for_each_field(*this, process);
    for (std::uint64_t* ns : {&process.pid_ns, &process.net_ns, &process.mount_ns})
      if (*ns != 0) *ns += tag_;
  }
  template <class T>
  void operator()(T& value) {
    for_each_field(*this, value);
  }

 private:
  void number(int& value) {
    if (value > 0 && value < kFirstFiber) each_(value);
  }
  void number(std::int64_t& value) {
    int one = value > 0 && value < kFirstFiber ? static_cast<int>(value) : 0;
    number(one);
    if (one != 0) value = one;
  }
  static bool is_task(LockNumber key) {
    return key == LockNumber::TakenBy || key == LockNumber::TakenByPid;
  }
  static bool is_task(Number key) { return key == Number::Tid; }
  template <class A, class B>
  static void for_each_field(Walk& walk, std::pair<A, B>& pair) {
    if constexpr (!std::is_arithmetic_v<A>) walk(pair.first);
    if constexpr (!std::is_arithmetic_v<B>) walk(pair.second);
  }
  template <class T>
  static void for_each_field(Walk& walk, std::vector<T>& list) {
    if constexpr (std::is_class_v<T> && !std::is_same_v<T, std::string>)
      for (T& item : list) walk(item);
  }
  template <class Key, class V>
  static void for_each_field(Walk& walk, Facts<Key, V>& facts) {
    facts.change_each([&](Key key, V& value) {
      if constexpr (std::is_same_v<V, ObjectId>) {
        walk(value);
      } else if constexpr (std::is_arithmetic_v<V>) {
        if (is_task(key)) walk.number(value);
      }
    });
  }
  template <class T>
  static void for_each_field(Walk& walk, Result<T>& result) {
    if constexpr (std::is_class_v<T>)
      if (result) walk(*result);
  }
  template <class T>
  static void for_each_field(Walk& walk, T& value) {
    constexpr bool is_plain = std::is_arithmetic_v<T> || std::is_enum_v<T> ||
                              std::is_same_v<T, std::string> || std::is_same_v<T, RemoteAddr> ||
                              std::is_same_v<T, Error> || std::is_same_v<T, Place>;
    if constexpr (!is_plain) snapshot::for_each_field(walk, value);
  }

  Each each_;
  std::uint64_t tag_;
};

}  // namespace

Status renumber(Snapshot& snapshot, Host& host, std::uint64_t place) {
  std::vector<int> numbers;
  const auto note = [&](int& number) { numbers.push_back(number); };
  Walk(note, 0)(snapshot);
  std::ranges::sort(numbers);
  numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
  if (numbers.size() > static_cast<std::size_t>(kFirstFiber - host.first))
    return Error{Cause::Limit, 0, "number the processes of all hosts"};
  const auto replace = [&](int& number) {
    const auto at = std::ranges::lower_bound(numbers, number);
    number = host.first + static_cast<int>(at - numbers.begin());
  };
  Walk(replace, place << kPlaceBits)(snapshot);
  host.numbers = std::move(numbers);
  return Done{};
}

}  // namespace ipcdoctor::snapshot
