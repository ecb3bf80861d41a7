#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "runtime/cpython/objects.h"

namespace ipcdoctor::runtime::cpython {

struct KnownCall;

/// Exactly these types, of the interpreter itself; a subclass is Other.
enum class BuiltinType : std::uint8_t {
  Other,
  None,
  Bool,
  Int,
  Float,
  Str,
  Bytes,
  Range,
  Moment,  ///< datetime, date, time, timedelta
  Signal,  ///< a member of signal.Signals
  Tuple,   ///< from here on with items
  List,
  Dict,
  Set,
  Deque,
  Iterator,  ///< over one of these
};

/// What giving up, comparing, hashing or printing a value may run.
enum class Level : std::uint8_t {
  Plain,     ///< nothing: a number, a text, None ...
  Borrowed,  ///< anything, but somebody else still refers to it: giving it up runs nothing
  Owned,     ///< anything, and this may be the last reference
};

/// What is known of a value before the code that makes it has run.
struct Value {
  enum class Kind : std::uint8_t {
    Null,      ///< no value: an unset variable, the NULL below a call
    Unknown,   ///< any object
    Plain,     ///< some object of Level::Plain
    Builtin,   ///< some object of `type`; a mutable one is new and no namespace
    Const,     ///< the object at `object`
    Native,    ///< a function of the interpreter
    Release,   ///< __exit__ of a lock that this very code took: frees whom it had made wait; of
               ///< `type` Bool: its __enter__
    Function,  ///< made here, of the code at `object`; parts: its closure, where it has one
    Inlined,  ///< any(), all() ...: where the compiler asks whether a name is that, to go through a
              ///< generator by itself; the other way does the same
    Bound,    ///< a method and its self, which are its parts
    Generator,  ///< one that was not begun, of the code at `object`; parts: closure, arguments
  };
  Kind kind = Kind::Unknown;
  BuiltinType type = BuiltinType::Other;   ///< of Builtin and Const
  BuiltinType items = BuiltinType::Other;  ///< of an Iterator, where they are Plain and one type
  Level inside = Level::Plain;             ///< of Builtin with items
  bool unset = false;                      ///< may be no value at all
  bool owned = false;                      ///< of Unknown and Const: Level::Owned
  Object object = 0;   ///< of Plain and Unknown: the class of which it is an exception; or 0
  Object globals = 0;  ///< of Function and Generator: the dict of the module that made it
  const KnownCall* native = nullptr;
  /// Of a new Bool or Int: exactly this one. Of an Iterator with parts: how many were taken.
  std::optional<std::int64_t> number;
  /// Of a new tuple, what it is made of, where that is known; empty and set: of a new dict that is
  /// empty as long as nothing is put into it. Of an Iterator: what it goes over.
  std::shared_ptr<const std::vector<Value>> parts;
  Object name = 0;  ///< the name by which it was loaded, for a person; not compared

  bool operator==(const Value& other) const {
    const bool same_parts =
        parts == other.parts || (parts && other.parts && *parts == *other.parts);
    return same_parts && kind == other.kind && type == other.type && items == other.items &&
           inside == other.inside && unset == other.unset && owned == other.owned &&
           object == other.object && globals == other.globals && native == other.native &&
           number == other.number;
  }
};

inline bool is_scalar(BuiltinType type) {
  return type != BuiltinType::Other && type < BuiltinType::Tuple;
}
inline bool has_items(BuiltinType type) {
  return type >= BuiltinType::Tuple;
}
inline bool is_number(BuiltinType type) {
  return type == BuiltinType::Bool || type == BuiltinType::Int || type == BuiltinType::Float;
}
inline bool is_plain(const Value& v) {
  const bool typed = v.kind == Value::Kind::Builtin || v.kind == Value::Kind::Const;
  return v.kind == Value::Kind::Plain || (typed && is_scalar(v.type)) ||
         v.kind == Value::Kind::Native || v.kind == Value::Kind::Release ||
         v.kind == Value::Kind::Inlined || v.kind == Value::Kind::Null;
}
/// Of one of the types, or a constant of it.
inline BuiltinType type_of(const Value& v) {
  const bool typed = v.kind == Value::Kind::Builtin || v.kind == Value::Kind::Const;
  return typed ? v.type : BuiltinType::Other;
}

inline Value unknown_value(Level level) {
  Value v;
  v.owned = level == Level::Owned;
  if (level == Level::Plain) v.kind = Value::Kind::Plain;
  return v;
}
inline Value builtin_value(BuiltinType type, Level inside = Level::Plain) {
  Value v;
  v.kind = Value::Kind::Builtin;
  v.type = type;
  v.inside = inside;
  return v;
}
inline Value number_value(BuiltinType type, std::int64_t number) {
  Value v = builtin_value(type);
  v.number = number;
  return v;
}
inline Value null_value() {
  Value v;
  v.kind = Value::Kind::Null;
  return v;
}

inline Level level_of(const Value& v) {
  if (is_plain(v)) return Level::Plain;
  if (v.kind == Value::Kind::Builtin) return v.inside;
  if (v.kind == Value::Kind::Bound && v.parts && std::ranges::any_of(*v.parts, &Value::owned))
    return Level::Owned;
  return v.owned ? Level::Owned : Level::Borrowed;
}

/// A second reference to the value: giving that up runs nothing.
inline Value borrowed(Value v) {
  v.owned = false;
  if (v.inside == Level::Owned) v.inside = Level::Borrowed;
  return v;
}

/// What is known of a value that is one of the two.
inline Value join(Value a, Value b) {
  Value same = a;
  same.owned = b.owned = a.owned || b.owned;
  same.unset = b.unset = a.unset || b.unset;
  if (same == b) return same;
  const bool unset = a.unset || b.unset;
  const auto with_unset = [&](Value v) {
    v.unset = unset;
    return v;
  };
  const Level level = std::max(level_of(a), level_of(b));
  if (a.kind == Value::Kind::Null || b.kind == Value::Kind::Null) {
    Value v = a.kind == Value::Kind::Null ? b : a;
    v.unset = true;
    return v;
  }
  const BuiltinType type = type_of(a);
  if (is_plain(a) && is_plain(b)) {
    return with_unset(is_scalar(type) && type == type_of(b) ? builtin_value(type)
                                                            : unknown_value(Level::Plain));
  }
  // A dict of the target may be a namespace, and a constant's items are known.
  const bool both_new = a.kind == Value::Kind::Builtin && b.kind == Value::Kind::Builtin;
  if (both_new && type == type_of(b)) {
    Value v = builtin_value(type, std::max(a.inside, b.inside));
    if (a.items == b.items) v.items = a.items;
    return with_unset(v);
  }
  return with_unset(unknown_value(std::max(level, Level::Borrowed)));
}

}  // namespace ipcdoctor::runtime::cpython
