#pragma once

#include <cstdint>
#include <string_view>

#include "snapshot/effects.h"

namespace ipcdoctor::runtime::cpython {

/// What must be known of the arguments for a row of the table to hold.
enum class Needs : std::uint8_t {
  Nothing,   ///< it only keeps, counts or returns them
  Plain,     ///< all are numbers, texts and the like, or containers of such
  Duration,  ///< a number of seconds, not negative; or none
  Fd,        ///< the first is the descriptor of its effects
  Stream,    ///< the first is a text file: what it writes goes to that one's descriptor
  Stdout,    ///< print(): the others are written to sys.stdout
  Key,       ///< the first is a dict or set with plain keys, the second a plain key
  Items,     ///< the first is a container, and none of its items is destroyed with effects
  Lock,      ///< the first is a lock; nobody can wait for it if it is free
  Instance,  ///< isinstance(): the second is a class that does not answer by itself
};

/// What comes out.
enum class Gives : std::uint8_t {
  None,
  Bool,
  Int,
  Float,
  Str,
  Bytes,
  Plain,
  Moment,
  List,  ///< a new one of plain items
  Copy,  ///< a new list of the items of the first argument
  Tuple,
  Dict,
  Set,
  Range,
  Iterator,  ///< over plain items
  Over,      ///< over the items of the first argument
  Borrowed,  ///< anything, that somebody else refers to
  Item,      ///< what was in the first argument
  Owned,     ///< anything
};

/// A function of the interpreter or of its standard library, and what it does to others.
struct KnownCall {
  std::string_view name;  ///< "time.sleep", "list.append", "int()" of a type
  std::uint32_t effects = 0;
  Needs needs = Needs::Nothing;
  Gives gives = Gives::None;
  bool raises = false;            ///< with arguments as it needs them
  std::string_view verb = {};     ///< what a person calls it: "sleeps"; "" = not worth a word
  bool changes = false;           ///< the first argument: its items, or the keys of a dict
  const char* ends_by = nullptr;  ///< it never returns: the exception of builtins that it raises
  /// Of kReleases: the attribute of the first argument that is the threading.Condition whose
  /// waiters it wakes, "" if it is that itself; nullptr: whom it wakes is not known.
  const char* wakes = nullptr;
};

/// A function written in C, by the module or type that defines it; nullptr: not in the table.
const KnownCall* find_native(std::string_view name);

/// A function of the standard library that is written in Python, by its file ("threading.py") and
/// qualified name, where the table is more exact than its code; nullptr: none.
const KnownCall* find_library(std::string_view file, std::string_view qualname);

}  // namespace ipcdoctor::runtime::cpython
