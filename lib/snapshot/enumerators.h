#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <optional>
#include <string_view>
#include <utility>

#include "snapshot/snapshot.h"

namespace ipcdoctor {

constexpr Cause last_of(Cause) {
  return Cause::Other;
}

namespace snapshot {

/// The last enumerator.
constexpr ObjectKind last_of(ObjectKind) {
  return ObjectKind::OtherAnon;
}
constexpr Counted last_of(Counted) {
  return Counted::More;
}
constexpr TcpTimer last_of(TcpTimer) {
  return TcpTimer::Probe;
}
constexpr Access last_of(Access) {
  return Access::Both;
}
constexpr WaitKind last_of(WaitKind) {
  return WaitKind::Unknown;
}
constexpr LockKind last_of(LockKind) {
  return LockKind::Parked;
}
constexpr Ownership last_of(Ownership) {
  return Ownership::LeftInParent;
}
constexpr FrameKind last_of(FrameKind) {
  return FrameKind::Interpreted;
}
constexpr Operation last_of(Operation) {
  return Operation::AwaitValue;
}
constexpr Part last_of(Part) {
  return Part::Helper;
}
constexpr Resource last_of(Resource) {
  return Resource::Module;
}
constexpr Reach last_of(Reach) {
  return Reach::Anywhere;
}
constexpr LockNumber last_of(LockNumber) {
  return LockNumber::UsedAsLock;
}
constexpr Number last_of(Number) {
  return Number::StdinFd;
}
constexpr Text last_of(Text) {
  return Text::Enclosing;
}
constexpr End last_of(End) {
  return End::Socket;
}
constexpr Scope last_of(Scope) {
  return Scope::Ancestor;
}

/// An enumeration of what is written and read.
template <class E>
concept Enumerated = std::is_enum_v<E> && requires(E e) {
  { last_of(e) } -> std::same_as<E>;
};

/// As it stands in its enumeration: "Pipe" of ObjectKind::Pipe.
template <auto kValue>
consteval std::string_view spelled() {
  // GCC: "... [with auto kValue = ipcdoctor::Cause::Denied; ...]", clang without "with auto" and
  // what follows.
  std::string_view text = __PRETTY_FUNCTION__;
  text = text.substr(0, text.find_first_of(";]", text.find("kValue = ")));
  return text.substr(text.rfind(':') + 1);
}

/// The names of all, by number: each enumeration is its own list.
template <Enumerated E>
constexpr auto kNames = []<std::size_t... kNumbers>(std::index_sequence<kNumbers...>) {
  return std::array{spelled<static_cast<E>(kNumbers)>()...};
}
(std::make_index_sequence<static_cast<std::size_t>(last_of(E{})) + 1>{});

/// What is saved of an enumerator, as numbers change when one is added.
template <Enumerated E>
constexpr std::string_view enumerator(E value) {
  return kNames<E>[static_cast<std::size_t>(value)];
}

/// The one of that name; nothing if there is none.
template <Enumerated E>
constexpr std::optional<E> find_enumerator(std::string_view name) {
  for (std::size_t number = 0; number < kNames<E>.size(); ++number)
    if (kNames<E>[number] == name) return static_cast<E>(number);
  return std::nullopt;
}

}  // namespace snapshot
}  // namespace ipcdoctor
