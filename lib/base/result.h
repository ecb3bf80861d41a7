#pragma once

#include <cassert>
#include <string>
#include <utility>
#include <variant>

namespace ipcdoctor {

/// Why a fact is missing.
enum class Cause { NotRead, Gone, Denied, Unsupported, Malformed, TimedOut, Limit, Other };

/// A fact that is missing: why, the errno if a system call failed (else 0),
/// and what was tried as "verb object", such as "read /proc/42/syscall".
/// Nobody compares the text. Error{} means that nobody has tried yet.
struct Error {
  Cause cause = Cause::NotRead;
  int number = 0;
  std::string what{};
};

/// The Cause that an errno of a read under /proc stands for.
Cause cause_of(int errno_value);

/// The kernel's words for an Error: "read /proc/42/syscall: Permission denied".
std::string to_string(const Error& error);

/// Either a T that was learned or the Error that says why not.
/// Member names follow std::expected, which g++ 12 lacks in C++20.
template <class T>
class [[nodiscard]] Result {
 public:
  using value_type = T;
  Result(T value)
      : state_(std::in_place_index<0>, std::move(value)) {}  // NOLINT: implicit by design
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT: same
  Result() : Result(Error{}) {}

  bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }
  const T& value() const& {
    assert(has_value());
    return *std::get_if<0>(&state_);
  }
  T& value() & {
    assert(has_value());
    return *std::get_if<0>(&state_);
  }
  T&& value() && { return std::move(this->value()); }
  const T& operator*() const& { return value(); }
  T& operator*() & { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  const T* operator->() const { return &value(); }
  T* operator->() { return &value(); }
  template <class U>
  T value_or(U&& other) const {
    return has_value() ? value() : static_cast<T>(std::forward<U>(other));
  }
  const Error& error() const {
    assert(!has_value());
    return *std::get_if<1>(&state_);
  }

 private:
  std::variant<T, Error> state_;
};

/// For functions that only succeed or fail.
struct Done {};
using Status = Result<Done>;

}  // namespace ipcdoctor
