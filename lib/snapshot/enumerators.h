#pragma once

#include <concepts>

#include "snapshot/snapshot.h"

namespace ipcdoctor {

constexpr Cause last_of(Cause) {
  return Cause::Other;
}

namespace snapshot {

/// The last enumerator: a number beyond it stands for none.
constexpr ObjectKind last_of(ObjectKind) {
  return ObjectKind::OtherAnon;
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
  return LockKind::PyParked;
}
constexpr Ownership last_of(Ownership) {
  return Ownership::LeftInParent;
}
constexpr FrameKind last_of(FrameKind) {
  return FrameKind::Python;
}
constexpr Operation last_of(Operation) {
  return Operation::AwaitValue;
}
constexpr Scope last_of(Scope) {
  return Scope::Ancestor;
}

/// An enumeration of what is written and read.
template <class E>
concept Enumerated = std::is_enum_v<E> && requires(E e) {
  { last_of(e) } -> std::same_as<E>;
};

}  // namespace snapshot
}  // namespace ipcdoctor
