#include "runtime/native/value.h"

#include <algorithm>

namespace ipcdoctor::runtime::native {
namespace {

constexpr std::size_t kMostNumbers = 1024;  ///< entries of a table of jumps
constexpr std::size_t kMostJoined = 16;

std::uint64_t mask_of(unsigned bits) {
  return bits >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << bits) - 1;
}

}  // namespace

Value Value::one_of(std::vector<std::uint64_t> numbers) {
  std::ranges::sort(numbers);
  numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
  Value value;
  if (numbers.empty() || numbers.size() > kMostNumbers) return value;
  value.kind_ = Kind::OneOf;
  value.numbers_ = std::move(numbers);
  return value;
}

Value Value::below(std::uint64_t most, unsigned bits) {
  Value value;
  if (most >= mask_of(bits) && bits >= 64) return value;
  value.kind_ = Kind::Below;
  value.bits_ = static_cast<std::uint8_t>(bits);
  value.most_ = std::min(most, mask_of(bits));
  return value;
}

Value Value::on_stack(std::int64_t offset) {
  Value value;
  value.kind_ = Kind::Stack;
  value.most_ = static_cast<std::uint64_t>(offset);
  return value;
}

Value Value::accepted(std::vector<std::uint64_t> listeners) {
  Value value;
  value.kind_ = Kind::Accepted;
  value.numbers_ = std::move(listeners);
  return value;
}

Value Value::variable(std::vector<std::uint64_t> addresses, unsigned bits) {
  Value value = one_of(std::move(addresses));
  if (value.is_any()) return value;
  value.kind_ = Kind::Variable;
  value.most_ = mask_of(bits);
  return value;
}

std::vector<std::uint64_t> Value::all(std::size_t limit) const {
  if (kind_ == Kind::OneOf && numbers_.size() <= limit) return numbers_;
  if (kind_ != Kind::Below || bits_ != 64 || most_ >= limit) return {};
  std::vector<std::uint64_t> numbers(static_cast<std::size_t>(most_) + 1);
  for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = i;
  return numbers;
}

Value Value::truncated(unsigned bits) const {
  if (kind_ == Kind::OneOf) {
    std::vector<std::uint64_t> numbers = numbers_;
    for (std::uint64_t& number : numbers) number &= mask_of(bits);
    return one_of(std::move(numbers));
  }
  if (kind_ == Kind::Below && (bits_ <= bits || most_ <= mask_of(bits)))
    // below 64 bits nothing was known of those above `bits_`: they are kept up to `bits`
    return bits_ >= bits || bits_ == 64 ? below(most_, 64) : below(mask_of(bits), 64);
  // a descriptor is an int: its upper half is of no interest
  if (kind_ == Kind::Accepted && bits >= 32) return *this;
  if (kind_ == Kind::Variable && bits >= 32 && (bits == 64 || more_ == 0))
    return variable(numbers_, most_ >> 32 == 0 ? 32 : bits).plus(more_);
  return below(mask_of(bits), 64);
}

Value Value::plus(std::uint64_t number) const {
  if (number == 0) return *this;
  if (kind_ != Kind::Variable || most_ != mask_of(64)) return {};
  Value sum = *this;
  sum.more_ += number;
  return sum;
}

Value Value::joined(const Value& other) const {
  if (*this == other) return *this;
  if (kind_ == Kind::OneOf && other.kind_ == Kind::OneOf) {
    std::vector<std::uint64_t> numbers = numbers_;
    numbers.insert(numbers.end(), other.numbers_.begin(), other.numbers_.end());
    std::ranges::sort(numbers);
    numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
    return numbers.size() <= kMostJoined ? one_of(std::move(numbers)) : Value();
  }
  if (kind_ == Kind::Below && other.kind_ == Kind::Below && bits_ == other.bits_)
    return below(std::max(most_, other.most_), bits_);
  return {};
}

}  // namespace ipcdoctor::runtime::native
