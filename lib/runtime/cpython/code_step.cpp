#include <algorithm>

#include "runtime/cpython/code_reader.h"

namespace ipcdoctor::runtime::cpython {
namespace {

// Arguments of BINARY_OP (Include/opcode.h NB_...); 13 more = in place.
enum Operator : std::uint32_t {
  kAdd,
  kAnd,
  kFloorDivide,
  kLeftShift,
  kMatrixMultiply,
  kMultiply,
  kRemainder,
  kOr,
  kPower,
  kRightShift,
  kSubtract,
  kTrueDivide,
  kXor,
  kInPlace
};

constexpr std::size_t kMaxFollowed = 256;  // items of a list that are told apart

Value pop(std::vector<Value>& stack) {
  if (stack.empty()) return unknown_value(Level::Owned);
  Value v = stack.back();
  stack.pop_back();
  return v;
}

std::vector<Value> pop_many(std::vector<Value>& stack, std::size_t n) {
  std::vector<Value> out;
  for (std::size_t i = 0; i < n; ++i) out.push_back(pop(stack));
  std::ranges::reverse(out);
  return out;
}

Level most(const std::vector<Value>& values) {
  Level level = Level::Plain;
  for (const Value& v : values) level = std::max(level, level_of(v));
  return level;
}

int nested_depth(const std::vector<Value>& values) {
  int depth = 0;
  for (const Value& v : values)
    if (v.parts) depth = std::max(depth, 1 + nested_depth(*v.parts));
  return depth;
}

bool all_plain(const std::vector<Value>& values) {
  return std::ranges::all_of(values, is_plain);
}

// Whether formatting a value of the type with this text behind the colon cannot fail.
bool is_sure_format(BuiltinType type, std::string_view spec) {
  while (!spec.empty() && std::string_view("<>^0123456789,.").find(spec.front()) != spec.npos)
    spec.remove_prefix(1);
  if (spec.size() > 1) return false;
  if (spec.empty()) return is_number(type);
  const bool real = std::string_view("feg%").find(spec[0]) != spec.npos;
  const bool whole = std::string_view("dxXbo").find(spec[0]) != spec.npos;
  return (real && is_number(type)) || (whole && type == BuiltinType::Int);
}

}  // namespace

CodeReader::Flow CodeReader::step(Activation& act, State& s, const Instruction& i) {
  Flow flow;
  const bool known = step_stack(act, s, i, flow) || step_names(act, s, i, flow) ||
                     step_build(act, s, i, flow) || step_operators(act, s, i, flow) ||
                     step_jumps(act, s, i, flow) || step_calls(act, s, i, flow) ||
                     step_exceptions(act, s, i, flow);
  if (!known) {
    unknown(act, "runs an instruction that is not known");
    flow.falls = false;
  }
  return flow;
}

bool CodeReader::step_stack(Activation& act, State& s, const Instruction& i, Flow& flow) {
  const Routine& r = *act.routine;
  switch (i.op) {
    case Op::Nop:
    case Op::Resume:
    case Op::Precall:
      return true;
    case Op::PopTop:
      drop(act, pop(s.stack));
      return true;
    case Op::EndFor:
      for (int n = minor_ == 12 ? 2 : 1; n > 0; --n) drop(act, pop(s.stack));
      return true;
    case Op::PushNull:
      s.stack.push_back(null_value());
      return true;
    case Op::Copy:
      if (i.arg == 0 || i.arg > s.stack.size()) return false;
      s.stack.push_back(borrowed(s.stack[s.stack.size() - i.arg]));
      return true;
    case Op::Swap:
      if (i.arg == 0 || i.arg > s.stack.size()) return false;
      std::swap(s.stack.back(), s.stack[s.stack.size() - i.arg]);
      return true;
    case Op::LoadSmallInt:
      s.stack.push_back(small_int(i.arg));
      return true;
    case Op::LoadCommonConstant:
      s.stack.push_back(common_constant(i.arg));
      return true;
    case Op::PopIter:
      for (int n = minor_ >= 15 ? 2 : 1; n > 0; --n) drop(act, pop(s.stack));
      return true;
    case Op::LoadConst:
      if (i.arg >= r.constants.size()) return false;
      s.stack.push_back(constant(r.constants[i.arg]));
      return true;
    case Op::ReturnGenerator:  // it was begun by whoever takes what it yields
      s.stack.push_back(builtin_value(BuiltinType::None));
      return true;
    case Op::YieldValue: {
      const Value v = pop(s.stack);
      if (act.consumer == nullptr) {
        s.stack.push_back(builtin_value(BuiltinType::None));
        return act.only_depths;
      }
      Consumer& consumer = *act.consumer;
      if (consumer.stops_at) {
        const auto truth = truth_of(v);
        if (!truth) (void)test(act, v);
        consumer.may_stop |= truth.value_or(*consumer.stops_at) == *consumer.stops_at;
        flow.falls = truth != consumer.stops_at;
        drop(act, v);
      } else {
        consumer.items = std::max(consumer.items, is_harmless(v) ? Level::Plain : level_of(v));
      }
      s.stack.push_back(builtin_value(BuiltinType::None));
      return true;
    }
    case Op::ReturnConst:
      if (i.arg >= r.constants.size()) return false;
      flow.result = constant(r.constants[i.arg]);
      flow.returns = true;
      flow.falls = false;
      return true;
    case Op::ReturnValue:
      flow.result = pop(s.stack);
      flow.returns = true;
      flow.falls = false;
      return true;
    default:
      return false;
  }
}

bool CodeReader::step_names(Activation& act, State& s, const Instruction& i, Flow& flow) {
  const Routine& r = *act.routine;
  const auto load_fast = [&](std::uint32_t n) {
    if (n >= s.locals.size()) return false;
    Value v = borrowed(s.locals[n]);
    if (v.unset || v.kind == Value::Kind::Null) flow.raises = true;
    if (v.kind == Value::Kind::Null && !act.only_depths) flow.falls = false;
    v.unset = false;
    if (v.name == 0 && n < r.locals.size()) v.name = r.locals[n];
    s.stack.push_back(v);
    return true;
  };
  const auto store_fast = [&](std::uint32_t n) {
    if (n >= s.locals.size()) return false;
    drop(act, s.locals[n]);
    s.locals[n] = pop(s.stack);
    return true;
  };
  const auto name_at = [&](std::uint32_t n) { return n < r.names.size() ? r.names[n] : 0; };
  const auto cell_content = [&](std::uint32_t n) {
    const Value& cell = s.locals[n];
    return cell.kind == Value::Kind::Const ? remote_.pointer(cell.object + 16) : Object{0};
  };
  switch (i.op) {
    case Op::LoadFast:
    case Op::LoadFastCheck:
      return load_fast(i.arg);
    case Op::LoadFastLoadFast:
      return load_fast(i.arg >> 4) && load_fast(i.arg & 15);
    case Op::StoreFast:
      return store_fast(i.arg);
    case Op::StoreFastLoadFast:
      return store_fast(i.arg >> 4) && load_fast(i.arg & 15);
    case Op::StoreFastStoreFast:
      return store_fast(i.arg >> 4) && store_fast(i.arg & 15);
    case Op::LoadFastAndClear:
      if (i.arg >= s.locals.size()) return false;
      s.stack.push_back(s.locals[i.arg]);
      s.locals[i.arg] = null_value();
      return true;
    case Op::DeleteFast:
      if (i.arg >= s.locals.size()) return false;
      if (s.locals[i.arg].unset || s.locals[i.arg].kind == Value::Kind::Null) flow.raises = true;
      drop(act, s.locals[i.arg]);
      s.locals[i.arg] = null_value();
      return true;
    case Op::MakeCell:
      if (i.arg >= s.locals.size()) return false;
      if (s.locals[i.arg].kind != Value::Kind::Null)
        write_name(act, r.locals[i.arg], 0, s.locals[i.arg]);
      s.locals[i.arg] = unknown_value(Level::Borrowed);
      return true;
    case Op::CopyFreeVars: {
      std::vector<Value> cells = act.cells;
      for (const Object cell : objects_.items(act.closure)) cells.push_back(constant(cell));
      if (i.arg > s.locals.size()) return false;
      for (std::uint32_t n = 0; n < i.arg; ++n)
        s.locals[s.locals.size() - i.arg + n] =
            n < cells.size() ? cells[n] : unknown_value(Level::Borrowed);
      return true;
    }
    case Op::LoadClosure:
      if (i.arg >= s.locals.size()) return false;
      s.stack.push_back(borrowed(s.locals[i.arg]));
      return true;
    case Op::LoadDeref: {
      if (i.arg >= s.locals.size()) return false;
      const Object content = cell_content(i.arg);
      Value v = read_name(r.locals[i.arg], content);
      if (content == 0) flow.raises = true;
      if (v.kind == Value::Kind::Null) v = unknown_value(Level::Borrowed);
      s.stack.push_back(v);
      return true;
    }
    case Op::StoreDeref:
    case Op::DeleteDeref: {
      if (i.arg >= s.locals.size()) return false;
      const Value v = i.op == Op::StoreDeref ? pop(s.stack) : unknown_value(Level::Borrowed);
      write_name(act, r.locals[i.arg], cell_content(i.arg), v);
      return true;
    }
    case Op::LoadGlobal: {
      const Object name = name_at(i.arg >> 1);
      if (name == 0) return false;
      const Value v = load_global(act, name, flow);
      const bool null = (i.arg & 1) != 0;
      if (null && minor_ < 13) s.stack.push_back(null_value());
      s.stack.push_back(v);
      if (null && minor_ >= 13) s.stack.push_back(null_value());
      return true;
    }
    case Op::LoadName: {
      const Object name = name_at(i.arg);
      if (name == 0) return false;
      if (!act.locals_are_globals) unknown(act, "runs the body of a class");
      s.stack.push_back(load_global(act, name, flow));
      return true;
    }
    case Op::StoreName:
    case Op::StoreGlobal:
    case Op::DeleteName:
    case Op::DeleteGlobal: {
      const Object name = name_at(i.arg);
      if (name == 0) return false;
      const bool is_name = i.op == Op::StoreName || i.op == Op::DeleteName;
      if (is_name && !act.locals_are_globals) unknown(act, "runs the body of a class");
      const bool stores = i.op == Op::StoreName || i.op == Op::StoreGlobal;
      const Value v = stores ? pop(s.stack) : unknown_value(Level::Borrowed);
      if (!act.only_depths)
        write_name(act, name, objects_.entry(act.globals, objects_.key_name(name)), v);
      return true;
    }
    case Op::LoadAttr:
    case Op::LoadMethod: {
      const bool bit = i.op == Op::LoadAttr && minor_ >= 12;
      const bool method = i.op == Op::LoadMethod || (bit && (i.arg & 1) != 0);
      const Object name = name_at(bit ? i.arg >> 1 : i.arg);
      if (name == 0) return false;
      const Value v = pop(s.stack);
      Attribute found = load_attribute(act, v, name);
      found.value.name = name;
      flow.raises |= found.raises;
      const bool bound = found.self.kind != Value::Kind::Null;
      if (method) {
        // The method and its self, or the attribute and no self; up to 3.12 NULL comes first.
        if (!bound && minor_ < 13) s.stack.push_back(null_value());
        s.stack.push_back(found.value);
        if (bound) s.stack.push_back(v);
        if (!bound && minor_ >= 13) s.stack.push_back(null_value());
      } else {
        // So are methods of what a module imports called, too.
        Value value = bound ? unknown_value(Level::Borrowed) : found.value;
        if (bound && found.value.kind != Value::Kind::Unknown) {
          value.kind = Value::Kind::Bound;
          value.parts = std::make_shared<const std::vector<Value>>(
              std::vector<Value>{found.value, borrowed(found.self)});
        }
        s.stack.push_back(std::move(value));
        s.stack.back().name = name;
      }
      if (!bound || !method) drop(act, v);
      return true;
    }
    case Op::StoreAttr: {
      const Object name = name_at(i.arg);
      if (name == 0) return false;
      const Value owner = pop(s.stack);
      const Value value = pop(s.stack);
      store_attribute(act, owner, name, value, flow);
      return true;
    }
    case Op::DeleteAttr: {
      const Object name = name_at(i.arg);
      if (name == 0) return false;
      store_attribute(act, pop(s.stack), name, unknown_value(Level::Borrowed), flow);
      flow.raises = true;
      return true;
    }
    default:
      return false;
  }
}

Value CodeReader::load_global(Activation& act, Object name, Flow& flow) {
  if (act.only_depths) return unknown_value(Level::Borrowed);
  const std::string text = objects_.key_name(name);
  const bool searchable = is_searchable(act.globals) && is_searchable(act.builtins);
  Object found = searchable ? objects_.entry(act.globals, text) : 0;
  namespaces_.insert(act.globals);
  if (found == 0 && searchable) {
    found = objects_.entry(act.builtins, text);
    namespaces_.insert(act.builtins);
  }
  // Not there, or not seen: what would be wrong is to go on as if it raised.
  if (found == 0) {
    unknown(act, "uses the name `" + text + "`, which was not found");
    flow.raises = true;
    return unknown_value(Level::Borrowed);
  }
  if (is_exactly(found, "lazy_import")) unknown(act, "uses the name `" + text + "`, which imports");
  Value v = read_name(name, found);
  v.name = name;
  return v;
}

bool CodeReader::step_build(Activation& act, State& s, const Instruction& i, Flow& flow) {
  const auto keys_must_be_plain = [&](bool plain) {
    if (!plain) unknown(act, "hashes an object of a type that is not known");
  };
  // The container that an argument counts from the top, after what is added was taken off.
  const auto add_to = [&](Level level) {
    if (i.arg == 0 || i.arg > s.stack.size()) return false;
    Value& container = s.stack[s.stack.size() - i.arg];
    if (container.kind != Value::Kind::Builtin) {
      if (!act.only_depths) unknown(act, "adds to a container that is not known");
      return true;
    }
    container.inside = std::max(container.inside, level);
    container.items = BuiltinType::Other;
    container.parts = nullptr;
    return true;
  };
  switch (i.op) {
    case Op::BuildTuple: {
      auto values = pop_many(s.stack, i.arg);
      Value tuple = builtin_value(BuiltinType::Tuple, most(values));
      for (Value& v : values) v = borrowed(std::move(v));
      if (nested_depth(values) < 4)
        tuple.parts = std::make_shared<const std::vector<Value>>(std::move(values));
      s.stack.push_back(std::move(tuple));
      return true;
    }
    case Op::BuildList: {
      const auto values = pop_many(s.stack, i.arg);
      s.stack.push_back(builtin_value(BuiltinType::List, most(values)));
      s.stack.back().parts = std::make_shared<const std::vector<Value>>(values);
      return true;
    }
    case Op::BuildSet: {
      const auto values = pop_many(s.stack, i.arg);
      keys_must_be_plain(all_plain(values));
      s.stack.push_back(builtin_value(BuiltinType::Set, most(values)));
      return true;
    }
    case Op::BuildMap: {
      const auto values = pop_many(s.stack, std::size_t{2} * i.arg);
      for (std::size_t n = 0; n < values.size(); n += 2) keys_must_be_plain(is_plain(values[n]));
      s.stack.push_back(builtin_value(BuiltinType::Dict, most(values)));
      if (values.empty()) s.stack.back().parts = std::make_shared<const std::vector<Value>>();
      return true;
    }
    case Op::BuildConstKeyMap: {
      (void)pop(s.stack);
      const auto values = pop_many(s.stack, i.arg);
      s.stack.push_back(builtin_value(BuiltinType::Dict, most(values)));
      return true;
    }
    case Op::BuildString:
      (void)pop_many(s.stack, i.arg);
      s.stack.push_back(builtin_value(BuiltinType::Str));
      return true;
    case Op::BuildSlice: {
      const auto values = pop_many(s.stack, i.arg);
      s.stack.push_back(unknown_value(most(values)));
      return true;
    }
    case Op::ListAppend: {
      const Value v = pop(s.stack);
      if (i.arg == 0 || i.arg > s.stack.size()) return false;
      const auto parts = s.stack[s.stack.size() - i.arg].parts;
      if (!add_to(level_of(v))) return false;
      if (hypothesis_ && parts && parts->size() < kMaxFollowed) {
        auto longer = *parts;
        longer.push_back(borrowed(v));
        s.stack[s.stack.size() - i.arg].parts =
            std::make_shared<const std::vector<Value>>(std::move(longer));
      }
      return true;
    }
    case Op::SetAdd: {
      const Value v = pop(s.stack);
      keys_must_be_plain(is_plain(v));
      return add_to(level_of(v));
    }
    case Op::MapAdd: {
      const Value value = pop(s.stack);
      const Value key = pop(s.stack);
      keys_must_be_plain(is_plain(key));
      return add_to(level_of(value));
    }
    case Op::ListExtend:
    case Op::SetUpdate:
    case Op::DictUpdate:
    case Op::DictMerge: {
      const Value from = pop(s.stack);
      const BuiltinType type = type_of(from);
      const bool dict = i.op == Op::DictUpdate || i.op == Op::DictMerge;
      const bool readable = dict ? type == BuiltinType::Dict
                                 : has_items(type) || type == BuiltinType::Range ||
                                       type == BuiltinType::Str || type == BuiltinType::Bytes;
      if (!readable) unknown(act, "unpacks an object of a type that is not known");
      const Level level = has_items(type) ? inside(from) : Level::Plain;
      if (i.op != Op::ListExtend) keys_must_be_plain(level == Level::Plain);
      const bool empty = from.kind == Value::Kind::Const && type == BuiltinType::Dict &&
                         objects_.dict_size(from.object) == 0 && !is_changed(from.object);
      if (dict && ((from.parts && from.parts->empty()) || empty)) return true;
      flow.raises |= i.op == Op::DictMerge;
      return add_to(level);
    }
    case Op::ListToTuple: {
      Value v = pop(s.stack);
      v.type = BuiltinType::Tuple;
      v.parts = nullptr;
      s.stack.push_back(v);
      return true;
    }
    case Op::UnpackSequence:
    case Op::UnpackEx: {
      const Value from = pop(s.stack);
      const std::uint32_t n =
          i.op == Op::UnpackSequence ? i.arg : (i.arg & 0xff) + 1 + (i.arg >> 8);
      if (n > 4096) return false;
      const BuiltinType type = type_of(from);
      if (i.op == Op::UnpackSequence && from.kind == Value::Kind::Const &&
          type == BuiltinType::Tuple) {
        const auto items = objects_.items(from.object);
        if (items.size() == n) {
          for (std::uint32_t k = n; k > 0; --k) s.stack.push_back(constant(items[k - 1]));
          return true;
        }
      }
      if (i.op == Op::UnpackSequence && from.parts && type == BuiltinType::Tuple &&
          from.parts->size() == n) {
        for (std::uint32_t k = n; k > 0; --k) s.stack.push_back((*from.parts)[k - 1]);
        drop(act, from);
        return true;
      }
      const bool plain = is_plain(from);
      if (!plain && !has_items(type)) unknown(act, "unpacks an object of a type that is not known");
      const Level level = plain ? Level::Plain : inside(from);
      flow.raises = true;
      for (std::uint32_t k = 0; k < n; ++k) s.stack.push_back(unknown_value(level));
      return true;
    }
    case Op::GetLen: {
      if (s.stack.empty()) return false;
      if (!is_harmless(s.stack.back()) && !has_items(type_of(s.stack.back())))
        unknown(act, "asks for the length of an object of a type that is not known");
      s.stack.push_back(builtin_value(BuiltinType::Int));
      return true;
    }
    case Op::MakeFunction: {
      std::size_t n = 1;
      if (minor_ < 13)
        for (const std::uint32_t bit : {1U, 2U, 4U, 8U}) n += (i.arg & bit) != 0 ? 1 : 0;
      const auto made_of = pop_many(s.stack, n);
      constexpr std::uint32_t kClosure = 8;
      Value function = unknown_value(Level::Borrowed);
      const bool plain = minor_ < 13 ? (i.arg & ~kClosure) == 0 : true;
      const Value& code = made_of.back();
      const bool has_closure = minor_ < 13 && i.arg == kClosure;
      if (plain && code.kind == Value::Kind::Const && (!has_closure || made_of.front().parts)) {
        function.kind = Value::Kind::Function;
        function.object = code.object;
        function.globals = act.globals;
        if (has_closure) function.parts = made_of.front().parts;
      }
      s.stack.push_back(std::move(function));
      return true;
    }
    case Op::SetFunctionAttribute: {
      constexpr std::uint32_t kClosure = 8;
      Value function = pop(s.stack);
      const Value attribute = pop(s.stack);
      if (i.arg == kClosure && attribute.parts)
        function.parts = attribute.parts;
      else
        function = unknown_value(Level::Borrowed);
      s.stack.push_back(std::move(function));
      return true;
    }
    default:
      return false;
  }
}

Value CodeReader::binary(Activation& act, const Value& a, const Value& b, std::uint32_t op,
                         Flow& flow) {
  const BuiltinType left = type_of(a);
  const BuiltinType right = type_of(b);
  const std::uint32_t plain_op = op >= kInPlace ? op - kInPlace : op;
  if (is_plain(a) && is_plain(b)) {
    if (is_number(left) && is_number(right)) {
      const bool real = left == BuiltinType::Float || right == BuiltinType::Float;
      const bool mixed = left != right && real;
      const bool divides =
          plain_op == kFloorDivide || plain_op == kRemainder || plain_op == kTrueDivide;
      const auto divisor = b.kind == Value::Kind::Const ? objects_.integer(b.object) : std::nullopt;
      const bool sure_divisor = divides && divisor.value_or(0) != 0;
      const bool simple = plain_op == kAdd || plain_op == kSubtract || plain_op == kMultiply ||
                          (!real && (plain_op == kAnd || plain_op == kOr || plain_op == kXor));
      // An int that is a constant of the code fits into a float.
      const bool fits = !mixed || (a.kind == Value::Kind::Const || b.kind == Value::Kind::Const);
      flow.raises |= !((simple || sure_divisor) && fits && plain_op != kTrueDivide) &&
                     !(sure_divisor && plain_op == kTrueDivide && left == BuiltinType::Float);
      const bool is_float = real || plain_op == kTrueDivide || plain_op == kPower;
      if (plain_op == kPower) return unknown_value(Level::Plain);
      return builtin_value(is_float ? BuiltinType::Float : BuiltinType::Int);
    }
    const bool texts = left == right && (left == BuiltinType::Str || left == BuiltinType::Bytes);
    if (plain_op == kAdd && texts) return builtin_value(left);
    if (left == BuiltinType::Moment && right == BuiltinType::Moment) {
      flow.raises = true;
      return builtin_value(BuiltinType::Moment);
    }
    flow.raises = true;
    if (plain_op == kRemainder && left == BuiltinType::Str) return builtin_value(left);
    return unknown_value(Level::Plain);
  }
  // "..." % (a, b)
  if (plain_op == kRemainder && left == BuiltinType::Str && is_harmless(b)) {
    flow.raises = true;
    return builtin_value(BuiltinType::Str);
  }
  const bool lists = left == BuiltinType::List && right == BuiltinType::List;
  if (plain_op == kAdd && lists) {
    if (op == kAdd)
      return builtin_value(BuiltinType::List,
                           std::min(std::max(inside(a), inside(b)), Level::Borrowed));
    store_item(act, a, builtin_value(BuiltinType::Int), unknown_value(inside(b)));
    return a;
  }
  unknown(act, "uses an operator on an object of a type that is not known");
  return unknown_value(Level::Owned);
}

Value CodeReader::part_of(Activation& act, const Value& container, bool plain, Flow& flow) {
  const BuiltinType type = type_of(container);
  const bool possible = type == BuiltinType::List || type == BuiltinType::Tuple ||
                        type == BuiltinType::Str || type == BuiltinType::Bytes;
  if (!possible || !plain) unknown(act, "takes a part of an object of a type that is not known");
  flow.raises = true;
  const Level level = has_items(type) ? std::min(inside(container), Level::Borrowed) : Level::Plain;
  return builtin_value(possible ? type : BuiltinType::Str, level);
}

Value CodeReader::subscript(Activation& act, const Value& container, const Value& key, Flow& flow) {
  flow.raises = true;
  if (act.only_depths) return unknown_value(Level::Borrowed);
  // A slice that is a constant, from 3.14 on: of constants.
  if (key.kind == Value::Kind::Const && is_exactly(key.object, "slice"))
    return part_of(act, container, true, flow);
  const BuiltinType type = type_of(container);
  if (hypothesis_ && type == BuiltinType::Tuple) {
    const auto parts = parts_of(container);
    const auto at = number_of(key);
    if (parts && at && *at >= 0 && static_cast<std::size_t>(*at) < parts->size()) {
      flow.raises = false;
      return (*parts)[static_cast<std::size_t>(*at)];
    }
  }
  if (type == BuiltinType::Str || type == BuiltinType::Bytes) {
    if (is_plain(key)) return unknown_value(Level::Plain);
  } else if (type == BuiltinType::Dict || type == BuiltinType::List || type == BuiltinType::Tuple ||
             type == BuiltinType::Deque) {
    if (!is_plain(key)) {
      unknown(act, "uses a key of a type that is not known");
      return unknown_value(Level::Borrowed);
    }
    if (container.kind == Value::Kind::Const && type == BuiltinType::Dict &&
        type_of(key) == BuiltinType::Str && key.kind == Value::Kind::Const) {
      const auto text = objects_.string(key.object);
      const Object found = text ? objects_.entry(container.object, *text) : 0;
      if (found != 0) {
        // What is there now, or what the code read here puts into any container.
        Value v = constant(found);
        if (is_scalar(v.type)) v = builtin_value(v.type);
        if (!keys_are_plain(container))
          unknown(act, "looks up a key among keys of types that are not known");
        if (!removed_.contains(container.object)) flow.raises = false;
        return items_ ? join(v, borrowed(*items_)) : v;
      }
    }
    return borrowed(unknown_value(inside(container)));
  }
  unknown(act, "takes an item of an object of a type that is not known");
  return unknown_value(Level::Borrowed);
}

// Items are told apart no further: what is put into one container may come out of any.
void CodeReader::store_item(Activation& act, const Value& container, const Value& key,
                            const Value& value) {
  if (act.only_depths) return;
  const BuiltinType type = type_of(container);
  const bool possible =
      type == BuiltinType::Dict || type == BuiltinType::List || type == BuiltinType::Deque;
  if (!possible || !is_plain(key)) {
    unknown(act, "assigns to an item of an object of a type that is not known");
    return;
  }
  const Value merged = items_ ? join(*items_, value) : value;
  if (!items_ || !(merged == *items_)) {
    items_ = merged;
    assigned_ = true;
  }
  if (inside(container) != Level::Plain)
    unknown(act, "replaces an object of a type that is not known");
  if (type == BuiltinType::Dict && !keys_are_plain(container))
    unknown(act, "looks up a key among keys of types that are not known");
  if (container.kind == Value::Kind::Const) {
    assigned_ |= written_.insert(container.object).second;
  } else if (!new_dict_written_) {
    new_dict_written_ = assigned_ = true;
  }
}

bool CodeReader::test(const Activation& act, const Value& v) {
  if (act.only_depths || is_plain(v) || has_items(type_of(v))) return true;
  if (v.kind == Value::Kind::Const) {
    const Object type = objects_.type_of(v.object);
    if (is_exactly(v.object, "type")) return true;
    for (const char* name : {"__bool__", "__len__"}) {
      const Found found = find_on_type(type, name);
      if (found.blind || (found.object != 0 && !is_exactly(found.object, "wrapper_descriptor"))) {
        unknown(act, "tests an object whose class says what is true");
        return false;
      }
    }
    return true;
  }
  unknown(act, "tests an object of a type that is not known");
  return false;
}

bool CodeReader::step_operators(Activation& act, State& s, const Instruction& i, Flow& flow) {
  switch (i.op) {
    case Op::UnaryNegative:
    case Op::UnaryPositive:
    case Op::UnaryInvert: {
      const Value v = pop(s.stack);
      if (!is_plain(v)) unknown(act, "uses an operator on an object of a type that is not known");
      const BuiltinType type = type_of(v);
      const bool sure = is_number(type) && (i.op != Op::UnaryInvert || type != BuiltinType::Float);
      flow.raises |= !sure;
      s.stack.push_back(sure ? builtin_value(type == BuiltinType::Bool ? BuiltinType::Int : type)
                             : unknown_value(Level::Plain));
      return true;
    }
    case Op::UnaryNot:
    case Op::ToBool: {
      const Value v = pop(s.stack);
      const auto truth = truth_of(v);
      if (!truth) (void)test(act, v);
      drop(act, v);
      s.stack.push_back(builtin_value(BuiltinType::Bool));
      if (truth) s.stack.back().number = *truth == (i.op == Op::ToBool) ? 1 : 0;
      return true;
    }
    case Op::BinaryOp: {
      const Value b = pop(s.stack);
      const Value a = pop(s.stack);
      s.stack.push_back(binary(act, a, b, i.arg, flow));
      return true;
    }
    case Op::BinarySubscr: {
      const Value key = pop(s.stack);
      const Value container = pop(s.stack);
      s.stack.push_back(subscript(act, container, key, flow));
      drop(act, container);
      return true;
    }
    case Op::BinarySlice: {
      const Value stop = pop(s.stack);
      const Value start = pop(s.stack);
      const Value container = pop(s.stack);
      s.stack.push_back(part_of(act, container, is_plain(start) && is_plain(stop), flow));
      drop(act, container);
      return true;
    }
    case Op::StoreSubscr: {
      const Value key = pop(s.stack);
      const Value container = pop(s.stack);
      const Value value = pop(s.stack);
      store_item(act, container, key, value);
      flow.raises |= type_of(container) != BuiltinType::Dict;
      return true;
    }
    case Op::DeleteSubscr: {
      const Value key = pop(s.stack);
      const Value container = pop(s.stack);
      store_item(act, container, key, unknown_value(Level::Plain));
      if (container.kind == Value::Kind::Const)
        assigned_ |= removed_.insert(container.object).second;
      flow.raises = true;
      return true;
    }
    case Op::CompareOp: {
      const Value b = pop(s.stack);
      const Value a = pop(s.stack);
      if (!is_harmless(a) || !is_harmless(b))
        unknown(act, "compares an object of a type that is not known");
      const std::uint32_t op = minor_ == 11 ? i.arg : minor_ == 12 ? i.arg >> 4 : i.arg >> 5;
      const bool equality = op == 2 || op == 3;
      const BuiltinType left = type_of(a);
      const BuiltinType right = type_of(b);
      const bool same = is_scalar(left) && left == right && left != BuiltinType::None &&
                        left != BuiltinType::Moment && left != BuiltinType::Range;
      flow.raises |= !equality && !same && !(is_number(left) && is_number(right));
      s.stack.push_back(builtin_value(BuiltinType::Bool));
      if (hypothesis_) s.stack.back().number = compare(a, b, op);
      return true;
    }
    case Op::IsOp: {
      const Value b = pop(s.stack);
      const Value a = pop(s.stack);
      drop(act, b);
      drop(act, a);
      s.stack.push_back(builtin_value(BuiltinType::Bool));
      const auto none = is_none(b) == true ? is_none(a) : std::nullopt;
      if (none) s.stack.back().number = *none == (i.arg == 0) ? 1 : 0;
      if (b.kind == Value::Kind::Inlined) s.stack.back().number = i.arg == 0 ? 0 : 1;
      return true;
    }
    case Op::ContainsOp: {
      const Value container = pop(s.stack);
      const Value item = pop(s.stack);
      const bool keys_only = type_of(container) == BuiltinType::Dict;
      const bool possible =
          is_plain(item) && (is_harmless(container) || (keys_only && keys_are_plain(container)));
      if (!possible) unknown(act, "looks into an object of a type that is not known");
      const BuiltinType type = type_of(container);
      flow.raises |= !has_items(type) && type != BuiltinType::Range && type != type_of(item);
      s.stack.push_back(builtin_value(BuiltinType::Bool));
      return true;
    }
    case Op::FormatValue:
    case Op::FormatSimple:
    case Op::FormatWithSpec:
    case Op::ConvertValue: {
      const bool has_spec =
          i.op == Op::FormatWithSpec || (i.op == Op::FormatValue && (i.arg & 4) != 0);
      const Value spec = has_spec ? pop(s.stack) : null_value();
      const Value v = pop(s.stack);
      if (!is_harmless(v) || !is_plain(spec))
        unknown(act, "formats an object of a type that is not known");
      const auto text =
          spec.kind == Value::Kind::Const ? objects_.string(spec.object, 64) : std::nullopt;
      const bool converted = i.op == Op::FormatValue && (i.arg & 3) != 0;
      flow.raises |= has_spec && (converted || !text || !is_sure_format(type_of(v), *text));
      s.stack.push_back(builtin_value(BuiltinType::Str));
      return true;
    }
    case Op::CallIntrinsic1: {
      constexpr std::uint32_t kStopIterationError = 3, kUnaryPositive = 5, kListToTuple = 6;
      Value v = pop(s.stack);
      if (i.arg == kListToTuple) {
        v.type = BuiltinType::Tuple;
      } else if (i.arg == kStopIterationError) {  // a generator raises: another one, perhaps
        v = unknown_value(level_of(v));
      } else if (i.arg == kUnaryPositive && is_plain(v)) {
        flow.raises = true;
      } else {
        return false;
      }
      s.stack.push_back(v);
      return true;
    }
    default:
      return false;
  }
}

Value CodeReader::iterator_of(Activation& act, const Value& v, Flow& flow) {
  const BuiltinType type = type_of(v);
  if (type == BuiltinType::Iterator) return v;
  Value out = builtin_value(BuiltinType::Iterator);
  const bool sequence = type == BuiltinType::List || type == BuiltinType::Tuple;
  if (const auto parts = !sequence     ? std::nullopt
                         : hypothesis_ ? parts_of(v)
                                       : few_items_of(v);
      parts) {
    out.inside = Level::Borrowed;
    out.parts = std::make_shared<const std::vector<Value>>(*parts);
    out.number = 0;
    return out;
  }
  if (type == BuiltinType::Range) {
    out.items = BuiltinType::Int;
  } else if (type == BuiltinType::Str) {
    out.items = BuiltinType::Str;
  } else if (type == BuiltinType::Bytes) {
    out.items = BuiltinType::Int;
  } else if (has_items(type)) {
    // What it loops over has its items still.
    out.inside = v.kind == Value::Kind::Const ? std::min(inside(v), Level::Borrowed) : inside(v);
    out.items = v.items;
    // A dict or deque that changes meanwhile makes the loop raise.
    flow.raises |=
        type == BuiltinType::Dict || type == BuiltinType::Deque || type == BuiltinType::Set;
  } else {
    unknown(act, "loops over an object of a type that is not known");
  }
  return out;
}

Value CodeReader::next_of(Activation& act, const Value& iterator, Flow& flow) {
  if (type_of(iterator) != BuiltinType::Iterator) {
    unknown(act, "loops over an object of a type that is not known");
    return unknown_value(Level::Borrowed);
  }
  // Of a list none; what a dict's, a deque's and enumerate's may be is not told apart.
  flow.raises |= iterator.kind == Value::Kind::Const &&
                 !is_exactly(iterator.object, "range_iterator") &&
                 !is_exactly(iterator.object, "list_iterator") &&
                 !is_exactly(iterator.object, "tuple_iterator");
  if (iterator.kind == Value::Kind::Const && is_exactly(iterator.object, "range_iterator"))
    return builtin_value(BuiltinType::Int);
  if (iterator.items != BuiltinType::Other) return builtin_value(iterator.items);
  const Level level = iterator.kind == Value::Kind::Const ? Level::Borrowed : iterator.inside;
  return unknown_value(level);
}

bool CodeReader::step_jumps(Activation& act, State& s, const Instruction& i, Flow& flow) {
  flow.target = i.target;
  // Both ways, or the one that an answer leaves.
  const auto decide = [&](std::optional<bool> condition, bool jumps_if) {
    if (condition != !jumps_if) flow.jump = s;
    flow.falls = condition != jumps_if;
  };
  switch (i.op) {
    case Op::JumpForward:
      flow.jump = s;
      flow.falls = false;
      return true;
    case Op::PopJumpIfFalse:
    case Op::PopJumpIfTrue: {
      const Value v = pop(s.stack);
      const auto truth = truth_of(v);
      if (!truth) (void)test(act, v);
      drop(act, v);
      decide(truth, i.op == Op::PopJumpIfTrue);
      return true;
    }
    case Op::PopJumpIfNone:
    case Op::PopJumpIfNotNone: {
      const Value v = pop(s.stack);
      drop(act, v);
      decide(is_none(v), i.op == Op::PopJumpIfNone);
      return true;
    }
    case Op::JumpIfFalseOrPop:
    case Op::JumpIfTrueOrPop: {
      if (s.stack.empty()) return false;
      const auto truth = truth_of(s.stack.back());
      if (!truth) (void)test(act, s.stack.back());
      decide(truth, i.op == Op::JumpIfTrueOrPop);
      drop(act, pop(s.stack));
      return true;
    }
    case Op::GetIter: {
      if (minor_ >= 15 && i.arg != 0) return false;  // that of `yield from`
      const Value v = pop(s.stack);
      s.stack.push_back(iterator_of(act, v, flow));
      if (minor_ >= 15) s.stack.push_back(null_value());
      return true;
    }
    case Op::ForIter: {
      if (s.stack.empty()) return false;
      // At its end it jumps over END_FOR (3.12), and POP_TOP behind that (3.13), or leaves that to
      // POP_ITER (3.14). From 3.15 on a number, or NULL, is above the iterator.
      flow.jump = s;
      if (minor_ < 14) flow.jump->stack.pop_back();
      flow.target = i.target + (minor_ == 11 ? 0 : minor_ == 13 ? 2 : 1);
      const std::size_t depth = minor_ >= 15 ? 2 : 1;
      if (s.stack.size() < depth) return false;
      Value& iterator = s.stack[s.stack.size() - depth];
      if (iterator.parts && type_of(iterator) == BuiltinType::Iterator) {
        const auto at = static_cast<std::size_t>(iterator.number.value_or(0));
        if (at >= iterator.parts->size()) {
          flow.falls = false;
          return true;
        }
        flow.jump.reset();
        const Value item = (*iterator.parts)[at];
        iterator.number = static_cast<std::int64_t>(at) + 1;
        s.stack.push_back(item);
        return true;
      }
      s.stack.push_back(next_of(act, Value(iterator), flow));
      return true;
    }
    default:
      return false;
  }
}

bool CodeReader::step_calls(Activation& act, State& s, const Instruction& i, Flow& flow) {
  const auto finish = [&](const CallResult& result) {
    flow.raises |= result.raises;
    flow.raised = result.raised;
    flow.falls = result.returns;
    s.stack.push_back(result.value);
    return true;
  };
  switch (i.op) {
    case Op::KwNames:
      if (i.arg >= act.routine->constants.size()) return false;
      s.keyword_names = act.routine->constants[i.arg];
      return true;
    case Op::Call:
    case Op::CallKw: {
      Object names = s.keyword_names;
      s.keyword_names = 0;
      if (i.op == Op::CallKw) {
        const Value tuple = pop(s.stack);
        names = tuple.kind == Value::Kind::Const ? tuple.object : 0;
        if (names == 0) unknown(act, "calls with names that are not known");
      }
      if (s.stack.size() < std::size_t{i.arg} + 2) return false;
      std::vector<Value> args = pop_many(s.stack, i.arg);
      Value second = pop(s.stack);
      Value first = pop(s.stack);
      // Up to 3.12 {NULL, callable} or {method, self}; then {callable, NULL} or {method, self}.
      if (first.kind == Value::Kind::Null) {
        first = second;
      } else if (second.kind != Value::Kind::Null) {
        args.insert(args.begin(), second);
      }
      return finish(call(act, first, std::move(args), names));
    }
    case Op::CallFunctionEx: {
      const bool has_keywords = minor_ >= 14 || (i.arg & 1) != 0;
      if (s.stack.size() < (has_keywords ? 4 : 3)) return false;
      const Value keywords = has_keywords ? pop(s.stack) : null_value();
      const Value args = pop(s.stack);
      Value callable = pop(s.stack);
      const Value below = pop(s.stack);
      if (callable.kind == Value::Kind::Null) callable = below;
      const bool no_keywords =
          keywords.kind == Value::Kind::Null ||
          (keywords.parts && keywords.parts->empty() && !new_dict_written_) ||
          (keywords.kind == Value::Kind::Const && objects_.dict_size(keywords.object) == 0);
      const BuiltinType type = type_of(args);
      const bool listed =
          (type == BuiltinType::Tuple && (args.kind == Value::Kind::Const || args.parts)) ||
          (type == BuiltinType::List && args.kind == Value::Kind::Const &&
           !is_changed(args.object));
      if (!no_keywords || !listed) {
        unknown(act, "calls " + called(callable) + " with arguments that are not known");
        return finish({unknown_value(Level::Owned), true, true});
      }
      std::vector<Value> values;
      if (args.parts) values = *args.parts;
      for (const Object item : args.parts ? std::vector<Object>() : objects_.items(args.object))
        values.push_back(constant(item));
      return finish(call(act, callable, std::move(values), 0));
    }
    case Op::BeforeWith:
      enter_with(act, s, flow);
      return true;
    case Op::LoadSpecial:
      load_special(act, s, i.arg, flow);
      return true;
    case Op::ImportName: {
      (void)pop(s.stack);
      (void)pop(s.stack);
      unknown(act, "imports");
      s.stack.push_back(unknown_value(Level::Borrowed));
      flow.raises = true;
      return true;
    }
    case Op::ImportFrom:
      unknown(act, "imports");
      s.stack.push_back(unknown_value(Level::Borrowed));
      flow.raises = true;
      return true;
    default:
      return false;
  }
}

// A lock that is taken here and given back at the end of the block frees nobody who waits at the
// time of the look: those wait for another holder. What holds of any other context manager is not
// known.
void CodeReader::enter_with(Activation& act, State& s, Flow& flow) {
  const Value manager = pop(s.stack);
  Value release;
  release.kind = Value::Kind::Release;
  if (!act.only_depths && !is_plain_lock(manager)) {
    unknown(act, "enters " + called(manager));
    flow.raises = true;
  }
  add(0, act.only_depths ? std::string_view() : "takes a lock");
  flow.falls = act.only_depths || !is_never_got(manager);
  s.stack.push_back(release);
  s.stack.push_back(unknown_value(Level::Plain));
}

// The method of a context manager and its self, from 3.14 on; a call of the method follows.
void CodeReader::load_special(Activation& act, State& s, std::uint32_t which, Flow& flow) {
  constexpr std::uint32_t kEnter = 0, kExit = 1;
  const Value manager = pop(s.stack);
  const bool known = which == kEnter || which == kExit;
  Value method = unknown_value(Level::Borrowed);
  if (known && (act.only_depths || is_plain_lock(manager))) {
    method.kind = Value::Kind::Release;
    method.type = which == kEnter ? BuiltinType::Bool : BuiltinType::None;
  } else {
    unknown(act, "enters " + called(manager));
    flow.raises = true;
  }
  if (which == kEnter) {
    add(0, act.only_depths ? std::string_view() : "takes a lock");
    flow.falls = act.only_depths || !is_never_got(manager);
  }
  s.stack.push_back(method);
  s.stack.push_back(null_value());
}

// The arguments of LOAD_COMMON_CONSTANT (Include/internal/pycore_opcode_utils.h).
Value CodeReader::common_constant(std::uint32_t which) {
  constexpr std::uint32_t kAssertionError = 0, kNotImplementedError = 1, kTuple = 2, kSet = 6,
                          kNone = 7, kEmptyStr = 8, kTrue = 9, kFalse = 10, kMinusOne = 11;
  switch (which) {
    case kAssertionError:
      return exception_type("AssertionError");
    case kNotImplementedError:
      return exception_type("NotImplementedError");
    case kNone:
      return builtin_value(BuiltinType::None);
    case kEmptyStr:
      return builtin_value(BuiltinType::Str);
    case kTrue:
    case kFalse:
      return number_value(BuiltinType::Bool, which == kTrue ? 1 : 0);
    case kMinusOne:
      return number_value(BuiltinType::Int, -1);
    default:
      break;
  }
  Value v = unknown_value(Level::Plain);
  if (which >= kTuple && which <= kSet) v.kind = Value::Kind::Inlined;
  return v;
}

bool CodeReader::step_exceptions(Activation& act, State& s, const Instruction& i, Flow& flow) {
  switch (i.op) {
    case Op::PushExcInfo: {
      const Value exception = pop(s.stack);
      s.stack.push_back(unknown_value(Level::Borrowed));
      s.stack.push_back(exception);
      return true;
    }
    case Op::CheckExcMatch: {
      const Value type = pop(s.stack);
      const bool is_class = type.kind == Value::Kind::Const;
      if (!is_class && !has_items(type_of(type))) flow.raises = true;
      const auto matches =
          s.stack.empty() || flow.raises ? std::nullopt : is_instance(s.stack.back(), type);
      s.stack.push_back(builtin_value(BuiltinType::Bool));
      if (matches) s.stack.back().number = *matches ? 1 : 0;
      return true;
    }
    case Op::PopExcept:
      (void)pop(s.stack);
      return true;
    case Op::Reraise:
      if (!s.stack.empty()) flow.raised = raised_by(s.stack.back());
      flow.raises = true;
      flow.falls = false;
      return true;
    case Op::RaiseVarargs: {
      const auto values = pop_many(s.stack, i.arg);
      if (!values.empty()) flow.raised = raised_by(values.front());
      for (const Value& v : values) {
        if (act.only_depths || is_plain(v)) continue;
        const bool instance = v.kind == Value::Kind::Const && !is_exactly(v.object, "type");
        if (instance) continue;
        if (v.kind == Value::Kind::Const)
          (void)call(act, v, {}, 0);  // makes one
        else
          unknown(act, "raises what is not known");
      }
      flow.raises = true;
      flow.falls = false;
      return true;
    }
    case Op::WithExceptStart: {
      // Up to 3.13 {exit, place, the one before, exception}, then {exit, self, ...}.
      const std::size_t below = minor_ >= 14 ? 5 : 4;
      if (s.stack.size() < below) return false;
      const Value exit = s.stack[s.stack.size() - below];
      std::vector<Value> args(3, unknown_value(Level::Borrowed));
      if (const Value& self = s.stack[s.stack.size() - 4];
          minor_ >= 14 && self.kind != Value::Kind::Null)
        args.insert(args.begin(), borrowed(self));
      const CallResult result = call(act, exit, std::move(args), 0);
      flow.raises |= result.raises;
      s.stack.push_back(result.value);
      return true;
    }
    case Op::LoadAssertionError:
      s.stack.push_back(exception_type("AssertionError"));
      return true;
    default:
      return false;
  }
}

}  // namespace ipcdoctor::runtime::cpython
