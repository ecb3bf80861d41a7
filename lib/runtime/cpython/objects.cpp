#include "runtime/cpython/objects.h"

#include <algorithm>
#include <array>

namespace ipcdoctor::runtime::cpython {
namespace {

constexpr std::uint64_t kInlineValues = 1 << 2;  // Py_TPFLAGS_INLINE_VALUES, 3.13
constexpr std::uint64_t kManagedDict = 1 << 4;   // Py_TPFLAGS_MANAGED_DICT, 3.11 and later
constexpr std::uint64_t kLongSubclass = 1 << 24;
constexpr std::uint64_t kListSubclass = 1 << 25;
constexpr std::uint64_t kTupleSubclass = 1 << 26;
constexpr std::uint64_t kBytesSubclass = 1 << 27;
constexpr std::uint64_t kUnicodeSubclass = 1 << 28;
constexpr std::uint64_t kDictSubclass = 1 << 29;
constexpr std::size_t kMaxEntries = 1 << 16;  // of one dict
constexpr std::size_t kMaxSearched = 4096;    // of those, by name
constexpr std::size_t kMaxKeyNames = 1 << 16;

void append_utf8(std::string& text, std::uint32_t c) {
  if (c < 0x80) {
    text += static_cast<char>(c);
  } else if (c < 0x800) {
    text += static_cast<char>(0xc0 | (c >> 6));
    text += static_cast<char>(0x80 | (c & 63));
  } else if (c < 0x10000) {
    text += static_cast<char>(0xe0 | (c >> 12));
    text += static_cast<char>(0x80 | ((c >> 6) & 63));
    text += static_cast<char>(0x80 | (c & 63));
  } else {
    text += static_cast<char>(0xf0 | ((c >> 18) & 7));
    text += static_cast<char>(0x80 | ((c >> 12) & 63));
    text += static_cast<char>(0x80 | ((c >> 6) & 63));
    text += static_cast<char>(0x80 | (c & 63));
  }
}

}  // namespace

std::string Objects::type_name(Object object) const {
  const Object type = type_of(object);
  if (type == 0) return {};
  const auto known = type_names_.find(type);
  if (known != type_names_.end()) return known->second;
  const std::uint64_t name = remote_.word(type + layout_.type_name);
  std::string text = name == 0 ? std::string() : remote_.text(name, 256);
  type_names_.emplace(type, text);
  return text;
}

std::string Objects::class_name(Object object) const {
  std::string name = type_name(object);
  const auto dot = name.rfind('.');
  return dot == std::string::npos ? name : name.substr(dot + 1);
}

bool Objects::is_a(Object object, std::string_view name) const {
  Object type = type_of(object);
  for (int depth = 0; type != 0 && depth < 32; ++depth) {
    const std::uint64_t at = remote_.word(type + layout_.type_name);
    const std::string text = at == 0 ? std::string() : remote_.text(at, 256);
    const auto dot = text.rfind('.');
    if (std::string_view(text).substr(dot == std::string::npos ? 0 : dot + 1) == name) return true;
    type = remote_.pointer(type + layout_.type_base);
  }
  return false;
}

std::optional<std::string> Objects::string(Object object, std::size_t limit) const {
  const Object type = type_of(object);
  if (type == 0 || (remote_.word(type + layout_.type_flags) & kUnicodeSubclass) == 0)
    return std::nullopt;
  const std::uint64_t length = remote_.word(object + layout_.string_length);
  const std::uint32_t state =
      remote_.get<std::uint32_t>(object + layout_.string_state) >> layout_.string_kind_bit;
  const std::uint32_t width = state & 7;
  const bool compact = (state & 8) != 0;
  const bool ascii = (state & 16) != 0;
  if (!compact || (width != 1 && width != 2 && width != 4) || length > (1U << 30))
    return std::nullopt;
  const std::size_t n = std::min<std::size_t>(length, limit);
  const auto data =
      remote_.bytes(object + (ascii ? layout_.string_ascii : layout_.string_compact), n * width);
  if (data.size() != n * width) return std::nullopt;
  if (ascii) return std::string(data.begin(), data.end());
  std::string text;
  for (std::size_t i = 0; i < n; ++i) {
    std::uint32_t c = 0;
    for (std::uint32_t b = 0; b < width; ++b)
      c |= static_cast<std::uint32_t>(data[i * width + b]) << (8 * b);
    append_utf8(text, c);
  }
  return text;
}

std::optional<std::int64_t> Objects::integer(Object object) const {
  const Object type = type_of(object);
  if (type == 0 || (remote_.word(type + layout_.type_flags) & kLongSubclass) == 0)
    return std::nullopt;
  std::uint64_t digits = 0;
  bool negative = false;
  if (layout_.minor >= 12) {
    const std::uint64_t tag =
        remote_.word(member(object, 16));  // lv_tag: sign in 2 bits, 1 flag, digits
    digits = tag >> 3;
    negative = (tag & 3) == 2;
  } else {
    const auto size = remote_.get<std::int64_t>(member(object, 16));
    negative = size < 0;
    digits = negative ? ~static_cast<std::uint64_t>(size) + 1 : static_cast<std::uint64_t>(size);
  }
  if (digits > 2) {
    // Thread identities and addresses need three digits of 30 bits.
    if (digits != 3 || remote_.get<std::uint32_t>(member(object, 32)) > 7) return std::nullopt;
  }
  std::uint64_t value = 0;
  for (std::uint64_t i = 0; i < digits; ++i) {
    value |= static_cast<std::uint64_t>(remote_.get<std::uint32_t>(member(object, 24 + 4 * i)))
             << (30 * i);
  }
  const auto signed_value = static_cast<std::int64_t>(value);
  if (signed_value < 0) return std::nullopt;
  return negative ? -signed_value : signed_value;
}

std::optional<std::vector<std::uint8_t>> Objects::bytes(Object object, std::size_t limit) const {
  const Object type = type_of(object);
  if (type == 0 || (remote_.word(type + layout_.type_flags) & kBytesSubclass) == 0)
    return std::nullopt;
  const std::uint64_t length = remote_.word(member(object, 16));
  if (length > limit) return std::nullopt;
  auto data = remote_.bytes(member(object, 32), length);
  if (data.size() != length) return std::nullopt;
  return data;
}

const std::string& Objects::key_name(Object key) const {
  if (key_names_.size() >= kMaxKeyNames) key_names_.clear();
  const auto [known, is_new] = key_names_.try_emplace(key);
  if (is_new) known->second = string(key, 128).value_or(std::string());
  return known->second;
}

Objects::Keys Objects::keys_of(std::uint64_t keys) const {
  Keys out;
  if (keys == 0) return out;
  if (layout_.minor <= 10) {
    const std::uint64_t size = remote_.word(keys + 8);
    const std::uint64_t used = remote_.word(keys + 32);
    if (size == 0 || size > (1U << 30) || used > size) return out;
    const std::uint64_t width = size <= 0xff ? 1 : size <= 0xffff ? 2 : size <= 0xffffffff ? 4 : 8;
    out.entries = keys + 40 + size * width;
    out.count = std::min<std::uint64_t>(used, kMaxEntries);
    out.general = true;
    return out;
  }
  const auto log2_size = remote_.get<std::uint8_t>(keys + 8);
  const auto log2_index_bytes = remote_.get<std::uint8_t>(keys + 9);
  const auto kind = remote_.get<std::uint8_t>(keys + 10);
  const std::uint64_t used = remote_.word(keys + 24);
  if (log2_size > 30 || log2_index_bytes > 33 || kind > 2 || used > (std::uint64_t{1} << log2_size))
    return out;
  out.entries = keys + 32 + (std::uint64_t{1} << log2_index_bytes);
  out.count = std::min<std::uint64_t>(used, kMaxEntries);
  out.general = kind == 0;
  return out;
}

Objects::Keys Objects::split_keys_of(std::uint64_t keys, std::uint64_t values) const {
  Keys out = keys_of(keys);
  out.values = values;
  return out;
}

Objects::Keys Objects::entries_of(Object dict) const {
  const Object type = type_of(dict);
  if (type == 0 || (remote_.word(type + layout_.type_flags) & kDictSubclass) == 0) return {};
  const std::uint64_t keys = remote_.pointer(member(dict, 32));
  const std::uint64_t values = remote_.pointer(member(dict, 40));
  if (values == 0) return keys_of(keys);
  return split_keys_of(keys, values + (layout_.minor >= 13 ? 8 : 0));
}

Object Objects::key_at(const Keys& keys, std::size_t i) const {
  return remote_.pointer(keys.entries + i * (keys.general ? 24 : 16) + (keys.general ? 8 : 0));
}

Object Objects::value_at(const Keys& keys, std::size_t i) const {
  if (keys.values != 0) return remote_.pointer(keys.values + 8 * i);
  return remote_.pointer(keys.entries + i * (keys.general ? 24 : 16) + (keys.general ? 16 : 8));
}

void Objects::each(const Keys& keys, const std::function<bool(Object, Object)>& visit,
                   std::size_t limit) const {
  for (std::size_t i = 0; i < std::min(keys.count, limit); ++i) {
    const Object key = key_at(keys, i);
    const Object value = value_at(keys, i);
    if (key != 0 && value != 0 && !visit(key, value)) return;
  }
}

// Where a name was last time, in another process or object of the same kind, it is looked for
// first: else each key before it costs a page. A key is in a dict but once, so what is found so is
// right. Nor is it among the very same keys as those that it was not among, as forked processes
// have them, if each of these could be read: no key becomes another name where it is.
Object Objects::find(const Keys& keys, std::string_view name) const {
  struct Last {
    std::size_t place = SIZE_MAX;
    std::vector<Object> absent_from;
  };
  thread_local std::unordered_map<std::string, Last> known;
  Last& last = known[std::string(name)];
  const auto is_name = [&](Object key) { return key != 0 && key_name(key) == name; };
  if (last.place < keys.count && is_name(key_at(keys, last.place)))
    return value_at(keys, last.place);
  std::vector<Object> all(std::min<std::size_t>(keys.count, kMaxSearched));
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = key_at(keys, i);
  if (all == last.absent_from) return 0;
  const auto found = std::ranges::find_if(all, is_name);
  if (found == all.end()) {
    const bool read =
        std::ranges::none_of(all, [&](Object key) { return key != 0 && key_name(key).empty(); });
    if (read) last.absent_from = std::move(all);
    return 0;
  }
  last.place = static_cast<std::size_t>(found - all.begin());
  return value_at(keys, last.place);
}

void Objects::each_entry(Object dict, const std::function<bool(Object, Object)>& visit,
                         std::size_t limit) const {
  each(entries_of(dict), visit, limit);
}

std::optional<std::int64_t> Objects::dict_size(Object dict) const {
  const Object type = type_of(dict);
  if (type == 0 || (remote_.word(type + layout_.type_flags) & kDictSubclass) == 0)
    return std::nullopt;
  return remote_.get<std::int64_t>(member(dict, 16));
}

Object Objects::entry(Object dict, std::string_view key) const {
  return find(entries_of(dict), key);
}

Objects::Keys Objects::attributes_of(Object object) const {
  const Object type = type_of(object);
  if (type == 0) return {};
  const std::uint64_t flags = remote_.word(type + layout_.type_flags);
  const auto offset = remote_.get<std::int64_t>(type + layout_.type_dict_offset);
  if (layout_.minor <= 10 || (flags & kManagedDict) == 0) {
    if (offset < 0 && layout_.minor <= 11) return {};  // variable-size types: none of ours
    if (offset <= 0 || offset >= 4096) return {};
    return entries_of(remote_.pointer(object + static_cast<std::uint64_t>(offset)));
  }
  const std::uint64_t cached = remote_.pointer(type + layout_.cached_keys);
  if (layout_.minor == 11) {
    const std::uint64_t values = remote_.pointer(object - 32);
    return values != 0 ? split_keys_of(cached, values) : entries_of(remote_.pointer(object - 24));
  }
  const std::uint64_t word = remote_.word(object - layout_.managed_dict);
  if (layout_.minor == 12)
    return (word & 1) != 0 ? split_keys_of(cached, word + 1) : entries_of(word);
  if (word != 0) return entries_of(word);
  const std::uint64_t size = remote_.word(member(type, 32));  // tp_basicsize
  if ((flags & kInlineValues) == 0 || size > 4096) return {};
  if (remote_.get<std::uint8_t>(object + size + 3) != 1) return {};
  return split_keys_of(cached, object + size + 8);
}

Object Objects::dict_of(Object object) const {
  const Object type = type_of(object);
  if (type == 0) return 0;
  const std::uint64_t flags = remote_.word(type + layout_.type_flags);
  const auto offset = remote_.get<std::int64_t>(type + layout_.type_dict_offset);
  if (layout_.minor <= 10 || (flags & kManagedDict) == 0)
    return offset > 0 && offset < 4096
               ? remote_.pointer(object + static_cast<std::uint64_t>(offset))
               : 0;
  return remote_.pointer(object - layout_.managed_dict);
}

void Objects::each_value(Object object, const std::function<bool(Object, Object)>& visit,
                         std::size_t limit) const {
  each(attributes_of(object), visit, limit);
}

Object Objects::attribute(Object object, std::string_view name) const {
  return find(attributes_of(object), name);
}

std::optional<std::int64_t> Objects::length(Object object) const {
  const Object type = type_of(object);
  if (type == 0) return std::nullopt;
  const std::uint64_t flags = remote_.word(type + layout_.type_flags);
  std::int64_t size = -1;
  if ((flags & kDictSubclass) != 0) {
    size = remote_.get<std::int64_t>(member(object, 16));
  } else if ((flags & (kListSubclass | kTupleSubclass)) != 0) {
    size = remote_.get<std::int64_t>(member(object, 16));
  } else if (is_a(object, "deque")) {
    size = remote_.get<std::int64_t>(member(object, 16));
  } else if (is_a(object, "set") || is_a(object, "frozenset")) {
    size = remote_.get<std::int64_t>(member(object, 24));
  }
  if (size < 0) return std::nullopt;
  return size;
}

std::vector<Object> Objects::items(Object object, std::size_t limit) const {
  const Object type = type_of(object);
  if (type == 0) return {};
  const std::uint64_t flags = remote_.word(type + layout_.type_flags);
  std::uint64_t first = 0;
  if ((flags & kListSubclass) != 0) {
    first = remote_.pointer(member(object, 24));
  } else if ((flags & kTupleSubclass) != 0) {
    first = object + layout_.tuple_items;
  } else if (is_a(object, "deque")) {
    return deque_items(object, limit);
  } else if (is_a(object, "set") || is_a(object, "frozenset")) {
    return set_items(object, limit);
  }
  if (first == 0) return {};
  const std::size_t n = std::min<std::size_t>(remote_.word(member(object, 16)), limit);
  std::vector<Object> out;
  for (std::size_t i = 0; i < n; ++i) {
    if (const Object item = remote_.pointer(first + 8 * i); item != 0) out.push_back(item);
  }
  return out;
}

std::vector<Object> Objects::deque_items(Object object, std::size_t limit) const {
  // Modules/_collectionsmodule.c: ob_size 16, leftblock 24, leftindex 40; a block is {left, 64
  // items, right}.
  constexpr std::uint64_t kBlock = 64;
  const std::size_t n = std::min<std::size_t>(remote_.word(member(object, 16)), limit);
  std::uint64_t block = remote_.pointer(member(object, 24));
  std::uint64_t index = remote_.word(member(object, 40));
  std::vector<Object> out;
  while (block != 0 && index < kBlock && out.size() < n) {
    const Object item = remote_.pointer(block + 8 + 8 * index);
    if (item == 0) break;
    out.push_back(item);
    if (++index == kBlock) {
      block = remote_.pointer(block + 8 + 8 * kBlock);
      index = 0;
    }
  }
  return out;
}

Objects::SimpleQueue Objects::simple_queue(Object queue) const {
  // Modules/_queuemodule.c. Up to 3.12 a list and the position of its first item: {lock 16, locked
  // 24, lst 32, lst_pos 40}. Then a ring behind a bool: {put_idx 24, get_idx 32, items 40,
  // items_cap 48, num_items 56}.
  SimpleQueue out;
  if (layout_.minor <= 12) {
    const Object list = remote_.pointer(member(queue, 32));
    out.slots = remote_.pointer(member(list, 24));
    out.capacity = static_cast<std::uint64_t>(length(list).value_or(0));
    out.first = remote_.word(member(queue, 40));
    out.size = out.first <= out.capacity ? out.capacity - out.first : 0;
  } else {
    out.slots = remote_.pointer(member(queue, 40));
    out.capacity = remote_.word(member(queue, 48));
    out.first = remote_.word(member(queue, 32));
    out.size = remote_.word(member(queue, 56));
  }
  const bool possible = out.slots != 0 && out.size <= out.capacity && out.capacity <= (1U << 24);
  return possible ? out : SimpleQueue{};
}

std::size_t Objects::simple_queue_size(Object queue) const {
  return simple_queue(queue).size;
}

std::vector<Object> Objects::simple_queue_items(Object queue, std::size_t limit) const {
  const SimpleQueue q = simple_queue(queue);
  std::vector<Object> out;
  for (std::uint64_t i = 0; i < std::min<std::uint64_t>(q.size, limit); ++i) {
    const Object item = remote_.pointer(q.slots + 8 * ((q.first + i) % q.capacity));
    if (item != 0) out.push_back(item);
  }
  return out;
}

std::vector<Object> Objects::set_items(Object object, std::size_t limit) const {
  const std::uint64_t mask = remote_.word(member(object, 32));
  const std::uint64_t table = remote_.pointer(member(object, 40));
  std::vector<Object> out;
  if (table == 0) return out;
  for (std::uint64_t i = 0; i <= mask && i < 16384 && out.size() < limit; ++i) {
    const Object item = remote_.pointer(table + 16 * i);
    if (item != 0 && remote_.word(table + 16 * i + 8) != ~std::uint64_t{0}) out.push_back(item);
  }
  return out;
}

Object Objects::bound_self(Object method) const {
  const std::string type = type_name(method);
  if (type == "method" || type == "builtin_function_or_method")
    return remote_.pointer(member(method, 24));
  return 0;
}

std::string Objects::function_name(Object callable) const {
  const std::string type = type_name(callable);
  if (type == "builtin_function_or_method") {
    const std::uint64_t definition = remote_.pointer(member(callable, 16));
    const std::uint64_t name = definition == 0 ? 0 : remote_.word(definition);
    return name == 0 ? std::string() : remote_.text(name, 128);
  }
  if (type == "method_descriptor")  // PyDescrObject {d_type 16, d_name 24}
    return string(remote_.pointer(member(callable, 24)), 128).value_or(std::string());
  Object function = callable;
  if (type == "method") function = remote_.pointer(member(callable, 16));
  if (type_name(function) != "function") return {};
  // func_name: PyFunctionObject {func_code 16, func_globals 24, func_defaults .., func_name} up
  // to 3.9; then globals first.
  const std::uint64_t at = layout_.minor <= 9 ? 64 : 32;
  return string(remote_.pointer(member(function, at)), 128).value_or(std::string());
}

Object Objects::through_cell(Object object) const {
  return type_name(object) == "cell" ? remote_.pointer(member(object, 16)) : object;
}

}  // namespace ipcdoctor::runtime::cpython
