#include <algorithm>

#include "runtime/cpython/code_reader.h"
#include "runtime/cpython/locks.h"
#include "runtime/cpython/threads.h"

namespace ipcdoctor::runtime::cpython {
namespace {

// PyTypeObject, 3.8 to 3.15 with a GIL.
constexpr std::uint64_t kTypeDealloc = 48, kTypeGetAttr = 144, kTypeSetAttr = 152, kTypeFlags = 168,
                        kTypeWeakList = 208, kTypeDict = 264, kTypeDescrGet = 272,
                        kTypeDescrSet = 280, kTypeMro = 344, kTypeFinalize = 392;
constexpr std::uint64_t kImmutable = 1 << 8, kHeapType = 1 << 9;  // Py_TPFLAGS_...
constexpr std::size_t kMaxOrder = 64;                             // bases of a class
constexpr std::size_t kMaxItems = 2000;  // of a container that are looked at
constexpr int kMaxDepth = 6;             // of containers in containers

struct TypeName {
  std::string_view name;
  BuiltinType type;
};
constexpr TypeName kTypeNames[] = {
    {"NoneType", BuiltinType::None},
    {"bool", BuiltinType::Bool},
    {"int", BuiltinType::Int},
    {"float", BuiltinType::Float},
    {"str", BuiltinType::Str},
    {"bytes", BuiltinType::Bytes},
    {"range", BuiltinType::Range},
    {"datetime.datetime", BuiltinType::Moment},
    {"datetime.date", BuiltinType::Moment},
    {"datetime.timedelta", BuiltinType::Moment},
    {"tuple", BuiltinType::Tuple},
    {"list", BuiltinType::List},
    {"dict", BuiltinType::Dict},
    {"set", BuiltinType::Set},
    {"frozenset", BuiltinType::Set},
    {"collections.deque", BuiltinType::Deque},
    {"range_iterator", BuiltinType::Iterator},
    {"list_iterator", BuiltinType::Iterator},
    {"tuple_iterator", BuiltinType::Iterator},
    {"dict_keys", BuiltinType::Iterator},
    {"dict_keyiterator", BuiltinType::Iterator},
    {"dict_valueiterator", BuiltinType::Iterator},
    {"dict_itemiterator", BuiltinType::Iterator},
    {"set_iterator", BuiltinType::Iterator},
    {"str_ascii_iterator", BuiltinType::Iterator},
    {"itertools.count", BuiltinType::Iterator},
};

// Types of the interpreter that hold nothing, or only what is none of the program's objects.
constexpr std::string_view kInert[] = {"_thread.lock",
                                       "_thread.RLock",
                                       "module",
                                       "type",
                                       "code",
                                       "ellipsis",
                                       "builtin_function_or_method",
                                       "method_descriptor",
                                       "wrapper_descriptor",
                                       "complex",
                                       "bytearray",
                                       "slice",
                                       "_thread._localdummy",
                                       "function",
                                       "classmethod_descriptor",
                                       "member_descriptor",
                                       "getset_descriptor"};

bool is_special(const std::string& name) {
  return name.size() > 4 && name.starts_with("__") && name.ends_with("__");
}

}  // namespace

bool CodeReader::is_trusted(std::uint64_t address) const {
  return std::ranges::any_of(
      images_, [&](const auto& range) { return address >= range.first && address < range.second; });
}

const CodeReader::TypeFacts& CodeReader::facts_of(Object type) {
  const auto [it, is_new] = types_.try_emplace(type);
  TypeFacts& facts = it->second;
  if (!is_new || type == 0) return facts;
  const std::uint64_t name = remote_.word(type + runtime_.layout.type_name);
  facts.name = name == 0 ? std::string() : remote_.text(name, 128);
  const std::uint64_t flags = remote_.word(type + kTypeFlags);
  facts.is_static = (flags & kHeapType) == 0 && is_trusted(type);
  facts.order = objects_.items(remote_.pointer(type + kTypeMro), kMaxOrder);
  for (const TypeName& known : kTypeNames) {
    if (facts.is_static && facts.name == known.name) facts.builtin = known.type;
  }
  // deque and itertools have heap types from 3.12 on: theirs by where their functions are.
  const bool immutable = (flags & kImmutable) != 0;
  if (!facts.is_static && immutable && (flags & kHeapType) != 0 &&
      (facts.name == "collections.deque" || facts.name == "itertools.count") &&
      is_trusted(remote_.word(type + kTypeDealloc)))
    facts.builtin = facts.name == "itertools.count" ? BuiltinType::Iterator : BuiltinType::Deque;
  return facts;
}

bool CodeReader::is_exactly(Object object, std::string_view type_name) {
  const Object type = objects_.type_of(object);
  if (type == 0) return false;
  const TypeFacts& facts = facts_of(type);
  // A heap type of the interpreter's modules: nothing but C makes one immutable.
  const bool immutable = (remote_.word(type + kTypeFlags) & kImmutable) != 0;
  return facts.name == type_name &&
         (facts.is_static || (immutable && is_trusted(remote_.word(type + kTypeDealloc))));
}

Value CodeReader::constant(Object object, bool owned) {
  Value v;
  v.kind = Value::Kind::Const;
  v.object = object;
  v.type = facts_of(objects_.type_of(object)).builtin;
  // A datetime with a tzinfo asks that, whose class may be the program's: PyDateTime_DateTime
  // {hashcode 16, hastzinfo 24}. A timedelta has its days there: then it is Other, too.
  if (v.type == BuiltinType::Moment && remote_.get<std::uint8_t>(object + 24) != 0)
    v.type = BuiltinType::Other;
  v.owned = owned;
  return v;
}

// LOAD_SMALL_INT of 3.14: one of _PyRuntime's own ints, which lie side by side. One of them is
// found in sys.version_info.
Value CodeReader::small_int(std::uint32_t number) {
  constexpr std::uint64_t kSize = 32;
  if (!zero_) {
    const auto version =
        objects_.items(module_global(objects_, modules_, "sys", "version_info"), 1);
    zero_ = version.empty() ? 0 : version[0] - kSize * 3;
  }
  const Object object = *zero_ == 0 ? 0 : *zero_ + kSize * number;
  if (is_exactly(object, "int") && objects_.integer(object) == number) return constant(object);
  return number_value(BuiltinType::Int, number);
}

// A bound method of the target is one like those that are made here.
std::optional<Value> CodeReader::as_bound(const Value& v) {
  if (v.kind == Value::Kind::Bound && v.parts && v.parts->size() == 2) return v;
  if (v.kind != Value::Kind::Const || !is_exactly(v.object, "method")) return std::nullopt;
  Value bound = unknown_value(Level::Borrowed);
  bound.kind = Value::Kind::Bound;
  bound.unset = v.unset;
  bound.parts = std::make_shared<const std::vector<Value>>(std::vector<Value>{
      constant(remote_.pointer(v.object + 16)), constant(remote_.pointer(v.object + 24), v.owned)});
  return bound;
}

// One list or the like for another: what becomes of either is not told apart from here on. No dict,
// as that may be a namespace.
Value CodeReader::join_of(const Value& a, const Value& b) {
  if (a.kind == Value::Kind::Bound || b.kind == Value::Kind::Bound) {
    const auto one = as_bound(a), other = as_bound(b);
    if (!one || !other) return join(a, b);
    Value function = (*one->parts)[0], self = (*one->parts)[1];
    Value other_self = (*other->parts)[1];
    self.owned = other_self.owned = self.owned || other_self.owned;
    if (!(function == (*other->parts)[0]) || !(self == other_self)) return join(a, b);
    Value joint = *one;
    joint.unset = a.unset || b.unset;
    joint.parts = std::make_shared<const std::vector<Value>>(std::vector<Value>{function, self});
    return joint;
  }
  const auto is_sequence = [](const Value& v) {
    return v.type == BuiltinType::List || v.type == BuiltinType::Set ||
           v.type == BuiltinType::Tuple || v.type == BuiltinType::Deque;
  };
  const bool mixed = (a.kind == Value::Kind::Const && b.kind == Value::Kind::Builtin) ||
                     (a.kind == Value::Kind::Builtin && b.kind == Value::Kind::Const);
  if (!mixed || a.type != b.type || !is_sequence(a)) return join(a, b);
  const auto as_new = [&](const Value& v) {
    if (v.kind != Value::Kind::Const) return v;
    assigned_ |= written_.insert(v.object).second;
    assigned_ |= removed_.insert(v.object).second;
    const Level inside = level_inside(v.object, 0);
    Value made = builtin_value(v.type, v.owned ? inside : std::min(inside, Level::Borrowed));
    made.unset = v.unset;
    return made;
  };
  return join(as_new(a), as_new(b));
}

// What a name is now, or what the code read here assigns to a name that is spelled so.
Value CodeReader::read_name(Object name, Object current) {
  const auto assigned = names_.find(objects_.key_name(name));
  if (current == 0) return assigned == names_.end() ? null_value() : borrowed(assigned->second);
  const Value now = constant(current);
  Value v = assigned == names_.end() ? now : borrowed(join_of(now, assigned->second));
  v.unset = false;
  v.name = name;
  return v;
}

void CodeReader::write_name(const Activation& act, Object name, Object current,
                            const Value& value) {
  if (act.only_depths) return;
  const std::string text = objects_.key_name(name);
  if (current != 0 && is_same_number(value, constant(current))) return;
  const auto [it, is_new] = names_.try_emplace(text, value);
  if (is_new) {
    assigned_ = true;
  } else {
    const Value merged = join(it->second, value);
    assigned_ |= !(merged == it->second);
    it->second = merged;
  }
  if (current != 0) drop(act, constant(current, true));
  drop(act, it->second);
}

CodeReader::Found CodeReader::find_on_type(Object type, const std::string& name) {
  Found found;
  const std::vector<Object> order = facts_of(type).order;
  if (order.empty()) found.blind = true;
  for (const Object base : order) {
    const Object dict = remote_.pointer(base + kTypeDict);
    if (dict != 0) {
      found.blind = !is_searchable(dict);
      if (found.blind) return found;
      found.object = objects_.entry(dict, name);
      if (found.object == 0) continue;
      if (!facts_of(base).is_static) namespaces_.insert(dict);
      return found;
    }
    // 3.12 and later keep the dicts of static types elsewhere.
    const TypeFacts& facts = facts_of(base);
    found.native = find_native(facts.name + "." + name);
    if (found.native != nullptr && facts.is_static) return found;
    found.native = nullptr;
    if (facts.name == "object" && !is_special(name)) continue;
    if (facts.name == "object" &&
        (name == "__bool__" || name == "__len__" || name == "__getattr__"))
      continue;
    found.blind = true;
    return found;
  }
  return found;
}

CodeReader::Attribute CodeReader::load_attribute(Activation& act, const Value& v, Object name) {
  Attribute out{unknown_value(Level::Borrowed)};
  if (act.only_depths) {
    out.raises = true;
    return out;
  }
  const std::string text = objects_.key_name(name);
  if (text.empty() || is_special(text)) {
    unknown(act, "asks for `" + (text.empty() ? "an attribute" : text) + "`");
    return out;
  }
  if (v.kind == Value::Kind::Const && v.type == BuiltinType::Other) {
    if (is_exactly(v.object, "module")) return attribute_of_module(act, v, name);
    if (is_exactly(v.object, "type")) return attribute_of_class(act, v, name);
    return attribute_of_instance(act, v, name);
  }
  const BuiltinType type = type_of(v);
  if (type == BuiltinType::Other) {
    if (v.kind == Value::Kind::Plain) return out;  // to call it is not known, to have it is
    unknown(act, "asks for `" + text + "` of an object of a type that is not known");
    return out;
  }
  out.raises = true;
  for (const TypeName& known : kTypeNames) {
    if (known.type != type) continue;
    const KnownCall* call = find_native(std::string(known.name) + "." + text);
    if (call == nullptr) continue;
    out.value.kind = Value::Kind::Native;
    out.value.native = call;
    out.self = v;
    out.raises = false;
    return out;
  }
  if (type == BuiltinType::Moment) out.value = unknown_value(Level::Plain);
  if (type == BuiltinType::Signal && (text == "name" || text == "value")) {
    out.value = builtin_value(text == "name" ? BuiltinType::Str : BuiltinType::Int);
    out.raises = false;
  }
  return out;
}

CodeReader::Attribute CodeReader::attribute_of_module(Activation& act, const Value& v,
                                                      Object name) {
  const Object dict = remote_.pointer(objects_.member(v.object, 16));
  const std::string text = objects_.key_name(name);
  const Object found = is_searchable(dict) ? objects_.entry(dict, text) : 0;
  namespaces_.insert(dict);
  if (is_exactly(found, "lazy_import"))
    unknown(act, "asks a module for `" + text + "`, which imports");
  if (found != 0) return {read_name(name, found)};
  unknown(act, "asks a module for `" + text + "`, which was not found");
  return {unknown_value(Level::Borrowed)};
}

// An attribute of a class, or of an instance through its class.
CodeReader::Attribute CodeReader::bind(Activation& act, const Found& found, const Value& self,
                                       Object owner, Object name) {
  Attribute out{unknown_value(Level::Borrowed)};
  if (found.native != nullptr) {
    out.value.kind = Value::Kind::Native;
    out.value.native = found.native;
    out.self = self;
    return out;
  }
  const bool of_class = self.kind == Value::Kind::Null;
  const Object object = found.object;
  if (is_exactly(object, "function")) {
    out.value = read_name(name, object);
    if (!of_class) out.self = self;
    return out;
  }
  if (is_exactly(object, "method_descriptor")) {
    if (const KnownCall* known = known_builtin(object); known != nullptr) {
      out.value.kind = Value::Kind::Native;
      out.value.native = known;
    } else {
      out.value = constant(object);
    }
    if (!of_class) out.self = self;
    return out;
  }
  if (is_exactly(object, "staticmethod")) {
    out.value = read_name(name, remote_.pointer(object + 16));
    return out;
  }
  if (is_exactly(object, "classmethod")) {
    out.value = read_name(name, remote_.pointer(object + 16));
    out.self = constant(owner);
    return out;
  }
  if (is_exactly(object, "classmethod_descriptor")) {
    if (const KnownCall* known = known_builtin(object); known != nullptr) {
      out.value.kind = Value::Kind::Native;
      out.value.native = known;
      return out;
    }
  }
  if (is_exactly(object, "property") && !of_class) {
    // {prop_get 16, ...}: its function is called
    const Object get = remote_.pointer(object + 16);
    const CallResult result = call(act, constant(get), {borrowed(self)}, 0);
    out.value = result.value;
    out.raises = result.raises;
    return out;
  }
  if (is_exactly(object, "member_descriptor")) return out;
  const Object type = objects_.type_of(object);
  if (remote_.word(type + kTypeDescrGet) != 0) {
    unknown(act, "asks for `" + objects_.key_name(name) + "`, which runs code");
    return out;
  }
  out.value = read_name(name, object);
  return out;
}

CodeReader::Attribute CodeReader::attribute_of_class(Activation& act, const Value& v, Object name) {
  const Found found = find_on_type(v.object, objects_.key_name(name));
  if (found.blind || (found.object == 0 && found.native == nullptr)) {
    unknown(act, "asks for `" + objects_.key_name(name) + "` of a class that may have it or not");
    return {unknown_value(Level::Borrowed)};
  }
  return bind(act, found, null_value(), v.object, name);
}

CodeReader::Attribute CodeReader::attribute_of_instance(Activation& act, const Value& v,
                                                        Object name) {
  const std::string text = objects_.key_name(name);
  const Object type = objects_.type_of(v.object);
  const std::vector<Object> order = facts_of(type).order;
  Attribute out{unknown_value(Level::Borrowed)};
  // object's own way, or a class's that has another: __getattr__, __getattribute__
  const std::uint64_t plain = order.empty() ? 0 : remote_.word(order.back() + kTypeGetAttr);
  if (plain == 0 || remote_.word(type + kTypeGetAttr) != plain) {
    unknown(act, "asks for `" + text + "` of an object that decides by itself");
    return out;
  }
  const Found found = find_on_type(type, text);
  if (found.blind) {
    unknown(act, "asks for `" + text + "` of an object whose type may have it or not");
    return out;
  }
  const bool data =
      found.object != 0 && remote_.word(objects_.type_of(found.object) + kTypeDescrSet) != 0;
  if (data) return bind(act, found, v, type, name);
  const Object own = objects_.attribute(v.object, text);
  if (const Object dict = objects_.dict_of(v.object); dict != 0) namespaces_.insert(dict);
  if (own != 0) {
    out.value = read_name(name, own);
    return out;
  }
  if (found.object != 0 || found.native != nullptr) {
    // It may be assigned to the instance, before which the class's does not count.
    out = bind(act, found, v, type, name);
    if (names_.contains(text) && out.self.kind != Value::Kind::Null)
      unknown(act, "asks for `" + text + "`, which is assigned elsewhere");
    return out;
  }
  unknown(act, "asks for `" + text + "`, which was not found");
  return out;
}

void CodeReader::store_attribute(Activation& act, const Value& v, Object name, const Value& value,
                                 Flow& flow) {
  if (act.only_depths) return;
  const std::string text = objects_.key_name(name);
  if (text.empty() || is_special(text)) return unknown(act, "assigns to `" + text + "`");
  if (v.kind != Value::Kind::Const) {
    if (is_plain(v)) flow.raises = true;
    if (is_plain(v)) return;
    return unknown(act, "assigns to `" + text + "` of an object that is not known");
  }
  const Object type = objects_.type_of(v.object);
  const TypeFacts& facts = facts_of(type);
  Object current = 0;
  if (is_exactly(v.object, "module")) {
    current = objects_.entry(remote_.pointer(objects_.member(v.object, 16)), text);
  } else if (is_exactly(v.object, "type")) {
    current = objects_.entry(remote_.pointer(v.object + kTypeDict), text);
  } else {
    const std::uint64_t plain =
        facts.order.empty() ? 0 : remote_.word(facts.order.back() + kTypeSetAttr);
    const Found found = find_on_type(type, text);
    const bool data =
        found.object != 0 && remote_.word(objects_.type_of(found.object) + kTypeDescrSet) != 0;
    const bool slot = data && is_exactly(found.object, "member_descriptor");
    if (plain == 0 || remote_.word(type + kTypeSetAttr) != plain || found.blind || (data && !slot))
      return unknown(act, "assigns to `" + text + "`, which runs code");
    if (slot) return unknown(act, "assigns to `" + text + "`, a slot");
    current = objects_.attribute(v.object, text);
  }
  write_name(act, name, current, value);
}

// ------------------------------------------------------------------ what is inside of objects

bool CodeReader::is_searchable(Object dict) {
  constexpr std::int64_t kMost = 4000;  // Objects::entry looks at so many and a few more
  const auto size = objects_.dict_size(dict);
  return is_exactly(dict, "dict") && size && *size >= 0 && *size <= kMost;
}

Level CodeReader::level_inside(Object container, int depth) {
  if (depth >= kMaxDepth) return Level::Owned;
  const BuiltinType type = facts_of(objects_.type_of(container)).builtin;
  bool plain = true;
  std::size_t seen = 0;
  const auto look = [&](Object item) {
    const BuiltinType inner = facts_of(objects_.type_of(item)).builtin;
    if (++seen > kMaxItems) plain = false;
    if (has_items(inner) && inner != BuiltinType::Iterator)
      plain &= level_inside(item, depth + 1) == Level::Plain;
    else
      plain &= is_scalar(inner);
    return plain;
  };
  if (type == BuiltinType::Dict) {
    objects_.each_entry(
        container, [&](Object key, Object value) { return look(key) && look(value); },
        kMaxItems + 1);
    plain &= objects_.dict_size(container).value_or(-1) * 2 == static_cast<std::int64_t>(seen);
  } else if (has_items(type) && type != BuiltinType::Iterator) {
    for (const Object item : objects_.items(container, kMaxItems + 1))
      if (!look(item)) break;
    plain &= objects_.length(container).value_or(-1) == static_cast<std::int64_t>(seen);
  } else {
    return Level::Borrowed;
  }
  return plain ? Level::Plain : Level::Owned;
}

Level CodeReader::inside(const Value& container) {
  const Level stored = items_ ? level_of(*items_) : Level::Plain;
  if (container.kind != Value::Kind::Const) return std::max(container.inside, stored);
  return std::max(level_inside(container.object, 0), stored);
}

bool CodeReader::keys_are_plain(const Value& dict) {
  if (dict.kind != Value::Kind::Const) return true;  // as what is put into a new one must be
  bool plain = true;
  std::size_t seen = 0;
  objects_.each_entry(
      dict.object,
      [&](Object key, Object) {
        const BuiltinType type = facts_of(objects_.type_of(key)).builtin;
        plain = ++seen <= kMaxItems && (is_scalar(type) || (type == BuiltinType::Tuple &&
                                                            level_inside(key, 1) == Level::Plain));
        return plain;
      },
      kMaxItems + 1);
  return plain;
}

bool CodeReader::is_harmless(const Value& v) {
  if (is_plain(v)) return true;
  const BuiltinType type = type_of(v);
  return has_items(type) && type != BuiltinType::Iterator && inside(v) == Level::Plain;
}

bool CodeReader::is_plain_lock(const Value& v) {
  if (v.kind != Value::Kind::Const) return false;
  return is_exactly(v.object, "_thread.lock") || is_exactly(v.object, "_thread.RLock");
}

// ------------------------------------------------------------------ what is given up

void CodeReader::drop(const Activation& act, const Value& v) {
  if (act.only_depths || is_over() || is_plain(v)) return;
  if (v.kind == Value::Kind::Builtin) {
    if (has_items(v.type) && v.inside == Level::Owned)
      unknown(act, "gives up objects of types that are not known");
    return;
  }
  if (v.kind == Value::Kind::Bound && v.parts) {
    for (const Value& part : *v.parts) drop(act, part);
    return;
  }
  if (!v.owned) return;
  if (v.kind != Value::Kind::Const)
    return unknown(act, "gives up an object of a type that is not known");
  std::size_t budget = 256;
  drop_object(act, v.object, 0, budget);
}

// What it refers to stays with it, as far as nothing that was read here assigns to it.
void CodeReader::hold(Object object, int depth, std::size_t& budget) {
  constexpr int kMaxHeld = 3;
  if (object == 0 || budget == 0 || !held_.insert(object).second || depth == kMaxHeld) return;
  --budget;
  const TypeFacts& facts = facts_of(objects_.type_of(object));
  const bool listed = facts.builtin == BuiltinType::List || facts.builtin == BuiltinType::Tuple;
  if (listed && !is_changed(object)) {
    for (const Object item : objects_.items(object, kMaxItems)) hold(item, depth + 1, budget);
  } else if (facts.builtin == BuiltinType::Dict && !is_changed(object)) {
    objects_.each_entry(
        object,
        [&](Object, Object value) {
          hold(value, depth + 1, budget);
          return budget > 0;
        },
        kMaxItems);
  } else if (is_exactly(object, "method")) {
    hold(remote_.pointer(object + 24), depth + 1, budget);
  } else if (!facts.is_static && facts.builtin == BuiltinType::Other) {
    objects_.each_value(
        object,
        [&](Object name, Object value) {
          if (!names_.contains(objects_.key_name(name))) hold(value, depth + 1, budget);
          return budget > 0;
        },
        kMaxItems);
  }
}

// The program's global names, and what the main thread has in its variables.
bool CodeReader::is_held(Object object) {
  const std::size_t now =
      names_.size() + written_.size() + removed_.size() + (reads_main_ ? std::size_t{1} << 32 : 0);
  if (held_as_of_ != now) {
    held_as_of_ = now;
    held_.clear();
    std::size_t budget = 2000;
    const Object module = objects_.entry(modules_, "__main__");
    const Object dict =
        is_exactly(module, "module") ? remote_.pointer(objects_.member(module, 16)) : 0;
    if (is_searchable(dict) && !is_changed(dict)) {
      objects_.each_entry(
          dict,
          [&](Object name, Object value) {
            if (!names_.contains(objects_.key_name(name))) hold(value, 0, budget);
            return budget > 0;
          },
          kMaxItems);
    }
    const Frames frames(objects_);
    if (!reads_main_)
      for (const PyFrame& frame : held_by_main_)
        for (const auto& [name, value] : frames.locals(frame)) hold(value, 0, budget);
  }
  return held_.contains(object);
}

// All that it refers to may go with it. Without finalizers and callbacks nobody notices.
void CodeReader::drop_object(const Activation& act, Object object, int depth, std::size_t& budget) {
  if (object == 0 || is_over()) return;
  const Object type = objects_.type_of(object);
  const TypeFacts& facts = facts_of(type);
  if (is_scalar(facts.builtin) || is_held(object)) return;
  if (budget == 0 || depth > kMaxDepth) return unknown(act, "gives up many objects");
  for (const char* name : {"stdout", "stderr", "__stdout__", "__stderr__"}) {
    const bool stays = facts.name == "_io.TextIOWrapper" &&
                       module_global(objects_, modules_, "sys", name) == object;
    if (stays) return;
  }
  --budget;
  if (std::ranges::find(kInert, facts.name) != std::end(kInert) && is_exactly(object, facts.name))
    return;
  if (has_items(facts.builtin) && facts.builtin != BuiltinType::Iterator) {
    if (facts.builtin == BuiltinType::Dict) {
      std::int64_t seen = 0;
      objects_.each_entry(object, [&](Object key, Object value) {
        ++seen;
        drop_object(act, key, depth + 1, budget);
        drop_object(act, value, depth + 1, budget);
        return !is_over();
      });
      if (seen != objects_.dict_size(object).value_or(-1)) unknown(act, "gives up a dict");
    } else {
      const auto items = objects_.items(object);
      for (const Object item : items) drop_object(act, item, depth + 1, budget);
      if (static_cast<std::int64_t>(items.size()) != objects_.length(object).value_or(-1))
        unknown(act, "gives up a " + facts.name);
    }
    return;
  }
  if (facts.builtin == BuiltinType::Iterator) return;
  if (facts.name == "function" && facts.is_static) {
    drop_object(act, remote_.pointer(object + 56), depth + 1, budget);         // func_defaults
    return drop_object(act, remote_.pointer(object + 72), depth + 1, budget);  // func_closure
  }
  if (facts.name == "cell" && facts.is_static)
    return drop_object(act, remote_.pointer(object + 16), depth + 1, budget);
  if (facts.name == "method" && facts.is_static)
    return drop_object(act, remote_.pointer(object + 24), depth + 1, budget);
  // A thread of 3.14 has one. {ctx_prev 16, ctx_vars 24, ctx_weakreflist 32}; a hamt has {h_count
  // 32}.
  if (facts.name == "_contextvars.Context" && facts.is_static &&
      remote_.word(remote_.pointer(object + 24) + 32) == 0 && remote_.word(object + 32) == 0)
    return;
  const bool class_of_python =
      !facts.is_static && (remote_.word(type + kTypeFlags) & kHeapType) != 0;
  // A class of Python over object alone: attributes in its dict, and no finalizer.
  const bool only_object = std::ranges::all_of(facts.order, [&](Object base) {
    const TypeFacts& f = facts_of(base);
    return !f.is_static || f.name == "object";
  });
  const std::string& name = facts.name;
  if (!class_of_python || !only_object || remote_.word(type + kTypeFinalize) != 0)
    return unknown(act, "gives up a " + name);
  const auto weak = remote_.get<std::int64_t>(type + kTypeWeakList);
  for (std::uint64_t ref = weak == 0 ? 0
                                     : remote_.pointer(object + static_cast<std::uint64_t>(weak));
       ref != 0 && budget > 0; ref = remote_.pointer(ref + 48), --budget) {
    // PyWeakReference {wr_object 16, wr_callback 24, hash, wr_prev 40, wr_next 48}
    const Object callback = remote_.pointer(ref + 24);
    if (callback == 0) continue;
    const auto routine =
        is_exactly(callback, "function") ? routine_at(remote_.pointer(callback + 48)) : nullptr;
    if (routine == nullptr || routine->file.find("/_weakrefset.py") == std::string::npos)
      return unknown(act, "gives up a " + name + ", which somebody watches");
  }
  objects_.each_value(
      object,
      [&](Object, Object value) {
        drop_object(act, value, depth + 1, budget);
        return !is_over();
      },
      kMaxItems);
}

}  // namespace ipcdoctor::runtime::cpython
