#pragma once

#include <cstdint>
#include <vector>

namespace ipcdoctor::runtime::native {

/// What is known of the value of a register.
class Value {
 public:
  enum class Kind : std::uint8_t {
    Any,
    OneOf,     ///< one of a few numbers
    Below,     ///< its lowest bits are at most some number
    Stack,     ///< a distance from the stack pointer at the function's begin
    Accepted,  ///< a descriptor that accept(2) on one of these gave; none: it is not known on which
    Variable,  ///< what the memory at one of these addresses holds when the code runs, and more()
  };

  static Value any() { return {}; }
  static Value of(std::uint64_t number) { return one_of({number}); }
  /// Any of none or of too many.
  static Value one_of(std::vector<std::uint64_t> numbers);
  static Value below(std::uint64_t most, unsigned bits);
  static Value on_stack(std::int64_t offset);
  static Value accepted(std::vector<std::uint64_t> listeners);
  static Value variable(std::vector<std::uint64_t> addresses, unsigned bits);

  Kind kind() const { return kind_; }
  bool is_any() const { return kind_ == Kind::Any; }
  const std::vector<std::uint64_t>& numbers() const { return numbers_; }
  bool is_one() const { return kind_ == Kind::OneOf && numbers_.size() == 1; }
  std::uint64_t number() const { return numbers_.front(); }                 ///< of one
  std::int64_t offset() const { return static_cast<std::int64_t>(most_); }  ///< on the stack
  std::uint64_t more() const { return more_; }  ///< that is added to a variable's
  std::uint64_t most() const { return most_; }
  unsigned bits() const { return bits_; }

  /// All numbers that it can be; empty if they are not known or more than `limit`.
  std::vector<std::uint64_t> all(std::size_t limit) const;
  /// As seen through a move of the lowest bits that clears those above.
  Value truncated(unsigned bits) const;
  /// A variable of 64 bits, and so much more; of others nothing is known then.
  Value plus(std::uint64_t number) const;
  /// What holds if either does.
  Value joined(const Value& other) const;
  friend bool operator==(const Value&, const Value&) = default;

 private:
  Kind kind_ = Kind::Any;
  std::uint8_t bits_ = 64;
  std::uint64_t most_ = 0, more_ = 0;
  std::vector<std::uint64_t> numbers_;  ///< sorted
};

}  // namespace ipcdoctor::runtime::native
