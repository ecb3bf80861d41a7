#include "snapshot/bytes.h"

#include <algorithm>
#include <cstring>
#include <nlohmann/detail/macro_scope.hpp>
#include <type_traits>

#include "snapshot/enumerators.h"

namespace ipcdoctor::snapshot {
namespace {

// for_each_field(visit, value) calls visit(member) for each member, in the order of the list.
#define IPCDOCTOR_VISIT(member) visit(value.member);
#define IPCDOCTOR_FIELDS(Type, ...)                                         \
  template <class Visit, class T>                                           \
  requires std::is_same_v<std::remove_const_t<T>, Type>                     \
  void for_each_field(Visit& visit, T& value) {                             \
    NLOHMANN_JSON_EXPAND(NLOHMANN_JSON_PASTE(IPCDOCTOR_VISIT, __VA_ARGS__)) \
  }
IPCDOCTOR_FIELDS(Error, cause, number, what)
IPCDOCTOR_FIELDS(ObjectId, kind, dev, ino)
IPCDOCTOR_FIELDS(Fd, fd, object, access)
#include "snapshot/fields.inc"
IPCDOCTOR_FIELDS(NamedStack, task, frames)
IPCDOCTOR_FIELDS(NamedStacks, stacks, unseen)
#undef IPCDOCTOR_FIELDS
#undef IPCDOCTOR_VISIT

class Writer {
 public:
  std::string take() { return std::move(bytes_); }

  template <class T>
  requires std::is_arithmetic_v<T> || std::is_enum_v<T>
  void operator()(const T& number) {
    bytes_.append(reinterpret_cast<const char*>(&number), sizeof number);
  }
  template <class Tag, class Rep>
  void operator()(const Id<Tag, Rep>& id) {
    (*this)(id.value);
  }
  void operator()(const std::string& text) {
    write_length(text.size());
    bytes_ += text;
  }
  template <class A, class B>
  void operator()(const std::pair<A, B>& pair) {
    (*this)(pair.first);
    (*this)(pair.second);
  }
  template <class T>
  void operator()(const std::vector<T>& list) {
    write_length(list.size());
    for (const T& item : list) (*this)(item);
  }
  template <class K, class V>
  void operator()(const Facts<K, V>& facts) {
    write_length(facts.size());
    for (const auto& [key, value] : facts) {
      (*this)(key);
      (*this)(value);
    }
  }
  template <class T>
  void operator()(const Result<T>& result) {
    (*this)(result.has_value());
    if (result)
      (*this)(*result);
    else
      (*this)(result.error());
  }
  template <class T>
  requires std::is_class_v<T>
  void operator()(const T& value) { for_each_field(*this, value); }

 private:
  void write_length(std::size_t length) { (*this)(static_cast<std::uint32_t>(length)); }

  std::string bytes_;
};

/// Once something does not fit, all else stays as it is.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}
  bool is_whole() const { return fits_ && bytes_.empty(); }

  template <class T>
  requires std::is_arithmetic_v<T>
  void operator()(T& number) {
    const auto* at = take(sizeof number);
    if (at != nullptr) std::memcpy(&number, at, sizeof number);
  }
  void operator()(bool& flag) {
    const auto* at = take(1);
    if (at != nullptr) flag = *at != 0;
  }
  template <class E>
  requires std::is_enum_v<E>
  void operator()(E& value) {
    auto number = static_cast<std::underlying_type_t<E>>(value);
    (*this)(number);
    fits_ = fits_ && number >= 0 && number <= static_cast<std::underlying_type_t<E>>(last_of(E{}));
    if (fits_) value = static_cast<E>(number);
  }
  template <class Tag, class Rep>
  void operator()(Id<Tag, Rep>& id) {
    (*this)(id.value);
  }
  void operator()(std::string& text) {
    const std::uint32_t length = read_length();
    if (const auto* at = take(length)) text.assign(at, length);
  }
  template <class A, class B>
  void operator()(std::pair<A, B>& pair) {
    (*this)(pair.first);
    (*this)(pair.second);
  }
  template <class T>
  void operator()(std::vector<T>& list) {
    const std::uint32_t length = read_length();
    list.clear();
    if (fits_) list.reserve(std::min<std::size_t>(length, bytes_.size() / sizeof(T)));
    for (std::uint32_t i = 0; i < length && fits_; ++i) (*this)(list.emplace_back());
  }
  template <class K, class V>
  void operator()(Facts<K, V>& facts) {
    const std::uint32_t length = read_length();
    facts = {};
    for (std::uint32_t i = 0; i < length && fits_; ++i) {
      K key{};
      V value{};
      (*this)(key);
      (*this)(value);
      if (fits_) facts.set(key, std::move(value));
    }
  }
  template <class T>
  void operator()(Result<T>& result) {
    bool has_value = false;
    (*this)(has_value);
    if (has_value) {
      result = T{};
      (*this)(*result);
    } else {
      Error error;
      (*this)(error);
      result = std::move(error);
    }
  }
  template <class T>
  requires std::is_class_v<T>
  void operator()(T& value) { for_each_field(*this, value); }

 private:
  const char* take(std::size_t size) {
    fits_ = fits_ && size <= bytes_.size();
    if (!fits_) return nullptr;
    const char* at = bytes_.data();
    bytes_.remove_prefix(size);
    return at;
  }
  std::uint32_t read_length() {
    std::uint32_t length = 0;
    (*this)(length);
    return fits_ ? length : 0;
  }

  std::string_view bytes_;
  bool fits_ = true;
};

template <class T>
std::string write(const T& value) {
  Writer writer;
  writer(value);
  return writer.take();
}

template <class T>
Result<T> read(std::string_view bytes) {
  T value;
  Reader reader(bytes);
  reader(value);
  if (!reader.is_whole()) return Error{Cause::Malformed, 0, "decode the answer of the helper"};
  return value;
}

}  // namespace

std::string encode(const Result<Snapshot>& snapshot) {
  return write(snapshot);
}

Result<Snapshot> decode(std::string_view bytes) {
  auto answer = read<Result<Snapshot>>(bytes);
  if (!answer) return answer.error();
  return std::move(*answer);
}

std::string encode(const NamedStacks& stacks) {
  return write(stacks);
}

Result<NamedStacks> decode_stacks(std::string_view bytes) {
  return read<NamedStacks>(bytes);
}

}  // namespace ipcdoctor::snapshot
