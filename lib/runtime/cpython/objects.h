#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "runtime/cpython/layout.h"
#include "runtime/remote.h"

namespace ipcdoctor::runtime::cpython {

/// An object of the target by its address; 0 = none.
using Object = std::uint64_t;

/// Reads Python objects of a target: types, names, attributes, sizes. Never the values of a
/// program's own data: strings are read only where they are names (attributes, types, files,
/// threads).
class Objects {
 public:
  Objects(Remote remote, const Layout& layout) : remote_(remote), layout_(layout) {}

  const Layout& layout() const { return layout_; }
  const Remote& remote() const { return remote_; }

  /// Where a member of an object is, by its offset in a build with a GIL.
  std::uint64_t member(Object object, std::uint64_t offset) const {
    return object + offset + layout_.header_growth;
  }
  Object type_of(Object object) const {
    return object == 0 ? 0 : remote_.pointer(member(object, 8));
  }
  /// "threading.Lock" types have "_thread.lock"; a class statement gives "Queue" without its
  /// module.
  std::string type_name(Object object) const;
  /// type_name without the module.
  std::string class_name(Object object) const;
  /// Whether the object's type or one of its bases is called so (tp_name, the last component).
  bool is_a(Object object, std::string_view name) const;
  bool is_none(Object object) const { return object != 0 && type_name(object) == "NoneType"; }

  /// A str as UTF-8, at most `limit` characters. nullopt: not a str, or not readable.
  std::optional<std::string> string(Object object, std::size_t limit = 4096) const;
  /// An int or bool that fits.
  std::optional<std::int64_t> integer(Object object) const;
  std::optional<std::vector<std::uint8_t>> bytes(Object object, std::size_t limit = 1 << 20) const;

  /// The attribute in the instance itself (its dict or inline values); 0 if it has none of that
  /// name.
  Object attribute(Object object, std::string_view name) const;
  /// The dict that has the instance's attributes; 0 if it has none, or has them elsewhere.
  Object dict_of(Object object) const;
  /// All attributes of the instance until visit(name object, value) returns false, at most `limit`.
  void each_value(Object object, const std::function<bool(Object, Object)>& visit,
                  std::size_t limit) const;
  /// The text of a name, "" for what is no str. Good until the next call: names are kept for a
  /// while, as they are met again and again.
  const std::string& key_name(Object key) const;

  /// The entry of a dict with str keys.
  Object entry(Object dict, std::string_view key) const;
  /// Entries of a dict until visit returns false; key may be any object.
  void each_entry(Object dict, const std::function<bool(Object, Object)>& visit,
                  std::size_t limit = 4096) const;
  std::optional<std::int64_t> dict_size(Object dict) const;

  /// The items of a list, tuple, set or deque, at most `limit`; empty for anything else.
  std::vector<Object> items(Object object, std::size_t limit = 1024) const;
  /// What waits in a _queue.SimpleQueue, the oldest first, at most `limit`.
  std::vector<Object> simple_queue_items(Object queue, std::size_t limit) const;
  std::size_t simple_queue_size(Object queue) const;
  /// len() of a list, tuple, dict, set or deque.
  std::optional<std::int64_t> length(Object object) const;

  /// self of a bound method or a builtin method; 0 for others.
  Object bound_self(Object method) const;
  std::string function_name(Object callable) const;
  /// What a cell or a weak reference refers to, or the object itself.
  Object through_cell(Object object) const;

 private:
  struct Keys {
    std::uint64_t entries = 0;
    std::size_t count = 0;
    bool general = false;      ///< entries of {hash, key, value}, else {key, value}
    std::uint64_t values = 0;  ///< of a split dict or an instance: in an array of their own
  };
  struct SimpleQueue {
    std::uint64_t slots = 0, capacity = 0, first = 0,
                  size = 0;  ///< the items go round from `first`
  };
  SimpleQueue simple_queue(Object queue) const;
  Keys keys_of(std::uint64_t keys) const;
  Keys split_keys_of(std::uint64_t keys, std::uint64_t values) const;
  Keys entries_of(Object dict) const;
  Keys attributes_of(Object object) const;
  Object key_at(const Keys& keys, std::size_t i) const;
  Object value_at(const Keys& keys, std::size_t i) const;
  void each(const Keys& keys, const std::function<bool(Object, Object)>& visit,
            std::size_t limit) const;
  Object find(const Keys& keys, std::string_view name) const;
  std::vector<Object> deque_items(Object object, std::size_t limit) const;
  std::vector<Object> set_items(Object object, std::size_t limit) const;

  Remote remote_;
  Layout layout_;
  mutable std::unordered_map<Object, std::string> type_names_;
  mutable std::unordered_map<Object, std::string> key_names_;
};

}  // namespace ipcdoctor::runtime::cpython
