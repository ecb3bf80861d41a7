#include <algorithm>

#include "runtime/cpython/code_reader.h"
#include "runtime/cpython/locks.h"
#include "runtime/cpython/threads.h"

namespace ipcdoctor::runtime::cpython {
namespace {

constexpr std::size_t kMaxDepth = 24;  // of calls in calls that are followed

// co_flags: CO_VARARGS, CO_VARKEYWORDS; a call of a generator or coroutine only makes one
constexpr std::uint32_t kVarArgs = 4, kVarKeywords = 8, kMakesGenerator = 0x20 | 0x80 | 0x200;

// PyFunctionObject, 3.11 to 3.15
constexpr std::uint64_t kFunctionGlobals = 16, kFunctionBuiltins = 24, kFunctionCode = 48,
                        kFunctionDefaults = 56, kFunctionKeywordDefaults = 64,
                        kFunctionClosure = 72;

bool all_plain(const std::vector<Value>& values) {
  return std::ranges::all_of(values, is_plain);
}

}  // namespace

CodeReader::CallResult CodeReader::call(Activation& act, const Value& callable,
                                        std::vector<Value> args, Object names) {
  CallResult result{unknown_value(Level::Owned), true, true};
  if (act.only_depths) {
    result.value = unknown_value(Level::Borrowed);
    return result;
  }
  const auto fail = [&] {
    unknown(act, "calls " + called(callable));
    return result;
  };
  if (callable.kind == Value::Kind::Release) {
    const bool enters = callable.type == BuiltinType::Bool;
    return {builtin_value(enters ? BuiltinType::Bool : BuiltinType::None), true, false};
  }
  if (callable.kind == Value::Kind::Native) return call_known(act, *callable.native, args, names);
  if (callable.kind == Value::Kind::Bound && callable.parts && callable.parts->size() == 2) {
    args.insert(args.begin(), (*callable.parts)[1]);
    return call(act, (*callable.parts)[0], std::move(args), names);
  }
  if (callable.kind == Value::Kind::Function && names == 0)
    return call_made(act, callable, std::move(args));
  if (callable.kind != Value::Kind::Const) return fail();
  const Object object = callable.object;
  if (is_exactly(object, "function")) return call_function(act, object, std::move(args), names);
  if (is_exactly(object, "method")) {  // {im_func 16, im_self 24}
    args.insert(args.begin(), constant(remote_.pointer(object + 24)));
    Value function = constant(remote_.pointer(object + 16));
    function.name = callable.name;
    return call(act, function, std::move(args), names);
  }
  if (is_exactly(object, "functools.partial")) {  // {fn 16, args 24, kw 32}
    if (objects_.dict_size(remote_.pointer(object + 32)).value_or(1) != 0) return fail();
    std::vector<Value> all;
    for (const Object arg : objects_.items(remote_.pointer(object + 24))) {
      if (is_exactly(arg, "functools._PlaceholderType")) return fail();  // 3.14
      all.push_back(constant(arg));
    }
    all.insert(all.end(), args.begin(), args.end());
    Value function = constant(remote_.pointer(object + 16));
    return call(act, function, std::move(all), names);
  }
  if (is_exactly(object, "type")) return call_type(act, object, args, names);
  if (is_exactly(object, "builtin_function_or_method") || is_exactly(object, "method_descriptor")) {
    const KnownCall* known = known_builtin(object);
    if (known == nullptr) return fail();
    const Object self = objects_.bound_self(object);
    if (self != 0 && !is_exactly(self, "module") && !is_exactly(self, "type"))
      args.insert(args.begin(), constant(self));
    return call_known(act, *known, args, names);
  }
  // Which signal it is: a handler asks for the one that it was called for.
  const bool is_enumeration = objects_.type_name(object).starts_with("Enum");
  if (is_enumeration && object == module_global(objects_, modules_, "signal", "Signals") &&
      args.size() == 1 && names == 0 && type_of(args[0]) == BuiltinType::Int)
    return {builtin_value(BuiltinType::Signal), true, ident_ != 0};
  // An object with __call__ of its class.
  const Found found = find_on_type(objects_.type_of(object), "__call__");
  if (found.object != 0 && is_exactly(found.object, "function")) {
    args.insert(args.begin(), borrowed(callable));
    return call_function(act, found.object, std::move(args), names);
  }
  return fail();
}

// The row of a function written in C: its code must be the interpreter's own, as anybody can call a
// function so.
const KnownCall* CodeReader::known_builtin(Object callable) {
  if (is_exactly(callable, "builtin_function_or_method")) {
    // PyCFunctionObject {m_ml 16, m_self 24, m_module 32}; PyMethodDef {ml_name, ml_meth}
    const std::uint64_t definition = remote_.pointer(callable + 16);
    if (definition == 0 || !is_trusted(remote_.word(definition + 8))) return nullptr;
    const std::string name = objects_.function_name(callable);
    const Object self = remote_.pointer(callable + 24);
    if (self == 0) return nullptr;
    if (is_exactly(self, "module")) {
      const auto module = objects_.string(remote_.pointer(callable + 32), 64);
      return module ? find_native(*module + "." + name) : nullptr;
    }
    const bool is_class = is_exactly(self, "type");
    const std::vector<Object> order = facts_of(is_class ? self : objects_.type_of(self)).order;
    for (const Object base : order) {
      const TypeFacts& facts = facts_of(base);
      const bool of_python = !facts.is_static &&
                             objects_.entry(remote_.pointer(base + 264), "__module__") != 0 &&
                             objects_.entry(remote_.pointer(base + 264), name) == 0;
      if (of_python) continue;
      if (const KnownCall* known = find_native(facts.name + "." + name); known != nullptr)
        return known;
    }
    return nullptr;
  }
  const bool method =
      is_exactly(callable, "method_descriptor") || is_exactly(callable, "classmethod_descriptor");
  if (!method) return nullptr;
  // PyDescrObject {d_type 16, d_name 24}, d_method 40
  const std::uint64_t definition = remote_.pointer(callable + 40);
  if (definition == 0 || !is_trusted(remote_.word(definition + 8))) return nullptr;
  const auto name = objects_.string(remote_.pointer(callable + 24), 64);
  const Object type = remote_.pointer(callable + 16);
  return name && type != 0 ? find_native(facts_of(type).name + "." + *name) : nullptr;
}

Value CodeReader::given(const KnownCall& known, const std::vector<Value>& args) {
  switch (known.gives) {
    case Gives::None:
      return builtin_value(BuiltinType::None);
    case Gives::Bool:
      return builtin_value(BuiltinType::Bool);
    case Gives::Int:
      return builtin_value(BuiltinType::Int);
    case Gives::Float:
      return builtin_value(BuiltinType::Float);
    case Gives::Str:
      return builtin_value(BuiltinType::Str);
    case Gives::Bytes:
      return builtin_value(BuiltinType::Bytes);
    case Gives::Plain:
      return unknown_value(Level::Plain);
    case Gives::Moment:
      return builtin_value(BuiltinType::Moment);
    case Gives::List:
      return builtin_value(BuiltinType::List);
    case Gives::Copy:
      return builtin_value(BuiltinType::List, args.empty()
                                                  ? Level::Owned
                                                  : std::min(inside(args[0]), Level::Borrowed));
    case Gives::Tuple:
      return builtin_value(BuiltinType::Tuple);
    case Gives::Dict:
      return builtin_value(BuiltinType::Dict);
    case Gives::Set:
      return builtin_value(BuiltinType::Set);
    case Gives::Range:
      return builtin_value(BuiltinType::Range);
    case Gives::Iterator:
      return builtin_value(BuiltinType::Iterator);
    case Gives::Over:
      return builtin_value(BuiltinType::Iterator, args.empty()
                                                      ? Level::Owned
                                                      : std::min(inside(args[0]), Level::Borrowed));
    case Gives::Borrowed:
      return unknown_value(Level::Borrowed);
    case Gives::Item:
      return unknown_value(args.empty() ? Level::Owned : inside(args[0]));
    case Gives::Owned:
      return unknown_value(Level::Owned);
  }
  return unknown_value(Level::Owned);
}

bool CodeReader::is_never_got(const Value& lock) const {
  return ident_ == 0 && awaited_lock_ != 0 && lock.kind == Value::Kind::Const &&
         lock.object == awaited_lock_;
}

CodeReader::CallResult CodeReader::call_known(Activation& act, const KnownCall& known,
                                              const std::vector<Value>& args, Object names) {
  if (auto all = take_all(act, known, args); all) return *all;
  if (hypothesis_)
    if (auto answer = ask_native(known, args, names); answer) return *answer;
  constexpr std::array<std::string_view, 4> kTakes = {
      "_thread.lock.acquire", "_thread.lock.__enter__", "_thread.RLock.acquire",
      "_thread.RLock.__enter__"};
  if (args.size() == 1 && is_never_got(args[0]) &&
      std::ranges::find(kTakes, known.name) != kTakes.end())
    return {null_value(), false, false};
  CallResult result{given(known, args), true, known.raises};
  std::uint32_t effects = known.effects;
  std::optional<int> fd;
  const auto fail = [&](const std::string& why) {
    unknown(act, "calls `" + std::string(known.name) + "` with " + why);
    return result;
  };
  const auto text_of = [&](std::size_t i) {
    return i < args.size() && type_of(args[i]) == BuiltinType::Str;
  };
  switch (known.needs) {
    case Needs::Nothing:
      break;
    case Needs::Plain:
      if (!std::ranges::all_of(args, [&](const Value& v) {
            return is_harmless(v) || (type_of(v) == BuiltinType::Iterator &&
                                      v.kind == Value::Kind::Builtin && v.inside == Level::Plain);
          }))
        return fail("an object of a type that is not known");
      break;
    case Needs::Duration:
      for (const Value& v : args) {
        if (is_plain_lock(v)) continue;
        if (!is_plain(v)) return fail("an object of a type that is not known");
        if (!is_number(type_of(v))) result.raises = true;
        if (v.kind == Value::Kind::Const && v.type == BuiltinType::Int)
          result.raises |= objects_.integer(v.object).value_or(-1) < 0;
        if (v.kind == Value::Kind::Const && v.type == BuiltinType::Float) {
          const double seconds = remote_.get<double>(v.object + 16);  // ob_fval
          result.raises |= !(seconds >= 0 && seconds < 1e9);
        }
        if (v.kind == Value::Kind::Builtin && v.type != BuiltinType::Bool) result.raises = true;
      }
      break;
    case Needs::Fd: {
      if (!all_plain(args)) return fail("an object of a type that is not known");
      const auto number = args.empty() || args[0].kind != Value::Kind::Const
                              ? std::nullopt
                              : objects_.integer(args[0].object);
      if (number && *number >= 0 && *number < (1 << 30)) fd = static_cast<int>(*number);
      break;
    }
    case Needs::Stream:
      if (args.empty() || args[0].kind != Value::Kind::Const)
        return fail("a file that is not known");
      fd = descriptor_of_stream(args[0].object);
      if (!fd || !std::all_of(args.begin() + 1, args.end(), is_plain)) return fail("no plain file");
      result.raises &= !writes_succeed();
      break;
    case Needs::Stdout: {
      const std::vector<Object> keywords = objects_.items(names);
      Object stream = module_global(objects_, modules_, "sys", "stdout");
      bool is_known = !names_.contains("stdout");
      for (std::size_t i = 0; i < args.size(); ++i) {
        const std::size_t by_place = args.size() - std::min(args.size(), keywords.size());
        const bool is_file = i >= by_place && objects_.key_name(keywords[i - by_place]) == "file";
        if (is_file && type_of(args[i]) != BuiltinType::None) {
          is_known = args[i].kind == Value::Kind::Const;
          stream = args[i].object;
        } else if (!is_harmless(args[i])) {
          return fail("an object of a type that is not known");
        }
      }
      fd = is_known ? descriptor_of_stream(stream) : std::nullopt;
      if (!fd) return fail("no plain file");
      result.raises &= !writes_succeed();
      break;
    }
    case Needs::Key:
      if (args.size() < 2 || !is_plain(args[1]) || !has_items(type_of(args[0])))
        return fail("a key of a type that is not known");
      if (type_of(args[0]) == BuiltinType::Dict ? !keys_are_plain(args[0]) : !is_harmless(args[0]))
        return fail("keys of types that are not known");
      if (known.gives == Gives::Item) {
        for (std::size_t i = 2; i < args.size(); ++i) result.value = join(result.value, args[i]);
        result.value = join(result.value, builtin_value(BuiltinType::None));
        if (!known.changes) result.value = borrowed(result.value);
      }
      result.raises &= known.changes;
      break;
    case Needs::Items:
      if (args.empty()) return fail("nothing");
      if (text_of(0)) break;
      if (is_plain(args[0]) && !known.changes) {  // a text, or a TypeError
        result.raises = true;
        break;
      }
      if (!has_items(type_of(args[0])) && type_of(args[0]) != BuiltinType::Range &&
          type_of(args[0]) != BuiltinType::Bytes)
        return fail("an object of a type that is not known");
      if (known.changes && inside(args[0]) != Level::Plain)
        return fail("items of types that are not known");
      break;
    case Needs::Lock:
      if (args.empty() || !is_plain_lock(args[0])) return fail("a lock that is not known");
      // Nobody waits for a lock that is free.
      if (is_exactly(args[0].object, "_thread.lock") && !is_locked(objects_, args[0].object))
        effects &= ~std::uint32_t{snapshot::kReleases};
      break;
    case Needs::Instance: {
      const bool seen = !args.empty() && (is_plain(args[0]) || args[0].kind == Value::Kind::Const);
      const bool plain_class = args.size() == 2 && args[1].kind == Value::Kind::Const &&
                               is_exactly(args[1].object, "type");
      if (!seen || !plain_class) return fail("a class that is not known");
      break;
    }
  }
  if (known.changes && !args.empty()) {
    for (std::size_t i = 1; i < args.size(); ++i) {
      const Value merged = items_ ? join(*items_, args[i]) : args[i];
      if (items_ && merged == *items_) continue;
      items_ = merged;
      assigned_ = true;
    }
    if (args[0].kind != Value::Kind::Const && !new_dict_written_)
      new_dict_written_ = assigned_ = true;
    if (args[0].kind == Value::Kind::Const) {
      assigned_ |= written_.insert(args[0].object).second;
      assigned_ |= removed_.insert(args[0].object).second;
    }
  } else {
    for (const Value& v : args) drop(act, v);
  }
  if ((effects & (snapshot::kReads | snapshot::kWrites | snapshot::kCloses)) != 0)
    add(effects, fd, known.verb);
  else
    add(effects, known.verb);
  if (known.ends_by != nullptr) {
    result.returns = false;
    result.raised = raise_of("builtins", known.ends_by).raised;
  }
  return result;
}

// {ok 16, detached 20, chunk size 24, buffer 32} of Modules/_io/textio.c over {raw 16} of
// bufferedio.c over {fd 16} of fileio.c, 3.11 to 3.15.
std::optional<int> CodeReader::descriptor_of_stream(Object stream) {
  if (!is_exactly(stream, "_io.TextIOWrapper")) return std::nullopt;
  const Object buffer = remote_.pointer(stream + 32);
  const bool buffered = is_exactly(buffer, "_io.BufferedWriter");  // not with python -u
  const Object raw = buffered ? remote_.pointer(buffer + 16) : buffer;
  if (!is_exactly(raw, "_io.FileIO")) return std::nullopt;
  const int fd = remote_.get<int>(raw + 16);
  return fd >= 0 ? std::optional<int>(fd) : std::nullopt;
}

// What those wait for whom a call of the library wakes that notifies a condition: each has a lock
// of his own in a deque (Lib/threading.py, Condition._waiters). Who only looks, looks at the
// object.
std::optional<std::vector<std::uint64_t>> CodeReader::woken_by(const KnownCall& known,
                                                               const std::vector<Value>& args) {
  constexpr std::size_t kMost = 1000;
  if (known.wakes == nullptr || args.empty() || args[0].kind != Value::Kind::Const)
    return std::nullopt;
  const bool itself = *known.wakes == '\0';
  const Object condition = itself ? args[0].object : settled(args[0].object, known.wakes);
  const Object waiters = condition == 0 ? 0 : settled(condition, "_waiters");
  const auto size = waiters == 0 ? std::nullopt : objects_.length(waiters);
  if (!size || static_cast<std::size_t>(*size) > kMost) return std::nullopt;
  const std::vector<Object> locks = objects_.items(waiters);
  if (locks.size() != static_cast<std::size_t>(*size)) return std::nullopt;
  std::vector<std::uint64_t> woken{args[0].object};
  for (const Object lock : locks) {
    const std::uint64_t futex = is_exactly(lock, "_thread.lock") ? futex_of(objects_, lock) : 0;
    if (futex == 0) return std::nullopt;
    woken.insert(woken.end(), {lock, futex});
  }
  return woken;
}

CodeReader::CallResult CodeReader::call_type(Activation& act, Object type,
                                             const std::vector<Value>& args, Object names) {
  const TypeFacts& facts = facts_of(type);
  CallResult result{unknown_value(Level::Borrowed), true, true};
  if (facts.is_static) {
    if (const KnownCall* known = find_native(facts.name + "()"); known != nullptr)
      return call_known(act, *known, args, names);
    if (facts.name == "type" && args.size() == 1) return result;
    constexpr std::uint64_t kException = 1 << 30;  // Py_TPFLAGS_BASE_EXC_SUBCLASS
    const bool exception = (remote_.word(type + 168) & kException) != 0;
    if (exception && std::ranges::all_of(args, [&](const Value& v) { return is_harmless(v); })) {
      result.value = unknown_value(Level::Plain);
      result.value.object = type;
      // Those of Unicode want five arguments; keywords are for few.
      result.raises = names != 0 || facts.name.starts_with("Unicode");
      return result;
    }
  }
  // An exception of the program's own without code of its own.
  constexpr std::uint64_t kException = 1 << 30;
  if ((remote_.word(type + 168) & kException) != 0) {
    const bool own_code = std::ranges::any_of(facts.order, [&](Object base) {
      if (facts_of(base).is_static) return false;
      const Object dict = remote_.pointer(base + 264);
      return objects_.entry(dict, "__init__") != 0 || objects_.entry(dict, "__new__") != 0 ||
             objects_.entry(dict, "__del__") != 0;
    });
    if (!own_code && all_plain(args)) return result;
  }
  unknown(act, "makes a " + facts.name);
  return result;
}

// As the interpreter binds them (Python/ceval.c, initialize_locals); false: it raises TypeError.
bool CodeReader::bind_arguments(const Routine& routine, Object function, std::vector<Value>& args,
                                const std::vector<std::string>& names, State& state) {
  const std::size_t total = routine.positional + routine.keyword_only;
  state.locals.assign(routine.locals.size(), null_value());
  std::vector<bool> is_set(total, false);
  const std::size_t by_place = args.size() - names.size();
  std::vector<Value> more;
  for (std::size_t i = 0; i < by_place; ++i) {
    if (i < routine.positional) {
      state.locals[i] = args[i];
      is_set[i] = true;
    } else {
      if ((routine.flags & kVarArgs) == 0) return false;
      more.push_back(args[i]);
    }
  }
  Level more_names = Level::Plain;
  bool has_more_names = false;
  for (std::size_t i = 0; i < names.size(); ++i) {
    std::size_t at = 0;
    while (at < total && objects_.key_name(routine.locals[at]) != names[i]) ++at;
    if (at < total) {
      state.locals[at] = args[by_place + i];
      is_set[at] = true;
    } else {
      if ((routine.flags & kVarKeywords) == 0) return false;
      more_names = std::max(more_names, level_of(args[by_place + i]));
      has_more_names = true;
    }
  }
  const auto defaults = objects_.items(remote_.pointer(function + kFunctionDefaults));
  for (std::size_t i = 0; i < routine.positional; ++i) {
    if (is_set[i]) continue;
    if (i + defaults.size() < routine.positional) return false;
    state.locals[i] = constant(defaults[i + defaults.size() - routine.positional]);
  }
  const Object keyword_defaults = remote_.pointer(function + kFunctionKeywordDefaults);
  for (std::size_t i = routine.positional; i < total; ++i) {
    if (is_set[i]) continue;
    const std::string name = objects_.key_name(routine.locals[i]);
    const Object value = keyword_defaults == 0 ? 0 : objects_.entry(keyword_defaults, name);
    if (value == 0) return false;
    state.locals[i] = constant(value);
  }
  std::size_t at = total;
  if ((routine.flags & kVarArgs) != 0 && at < state.locals.size()) {
    Level level = Level::Plain;
    for (Value& v : more) {
      level = std::max(level, level_of(v));
      v = borrowed(std::move(v));
    }
    state.locals[at] = builtin_value(BuiltinType::Tuple, level);
    state.locals[at++].parts = std::make_shared<const std::vector<Value>>(std::move(more));
  }
  if ((routine.flags & kVarKeywords) != 0 && at < state.locals.size()) {
    state.locals[at] = builtin_value(BuiltinType::Dict, more_names);
    if (!has_more_names) state.locals[at].parts = std::make_shared<const std::vector<Value>>();
  }
  return true;
}

// queue.Queue itself: a subclass may do anything when it stores an item.
bool CodeReader::is_library_queue(const Value& self) {
  if (self.kind != Value::Kind::Const) return false;
  for (const char* name : {"_put", "_get", "_qsize"}) {
    const Found found = find_on_type(objects_.type_of(self.object), name);
    if (found.object == 0 || !is_exactly(found.object, "function")) return false;
    const auto routine = routine_at(remote_.pointer(found.object + kFunctionCode));
    const bool known =
        routine != nullptr && routine->file.ends_with("/queue.py") &&
        (routine->qualname.starts_with("Queue.") || routine->qualname.starts_with("LifoQueue."));
    if (!known) return false;
  }
  return true;
}

// A multiprocessing.Process that this very process started by fork and has not closed: what its
// methods assert of it holds, and they catch what waitpid(2) may fail with.
bool CodeReader::is_own_child(const Value& process) {
  if (process.kind != Value::Kind::Const) return false;
  const Object popen = settled(process.object, "_popen");
  return popen != 0 && is_false(settled(process.object, "_closed")) &&
         objects_.integer(settled(process.object, "_parent_pid")) ==
             std::optional<std::int64_t>(space_.pid.value) &&
         is_method_of(popen, "poll", "multiprocessing/popen_fork.py", "Popen.poll") &&
         is_method_of(popen, "wait", "multiprocessing/popen_fork.py", "Popen.wait");
}

CodeReader::CallResult CodeReader::call_function(Activation& act, Object function,
                                                 std::vector<Value> args, Object names) {
  CallResult result{unknown_value(Level::Owned), true, true};
  const auto routine = routine_at(remote_.pointer(function + kFunctionCode));
  if (routine == nullptr) {
    unknown(act, "calls a function that cannot be read");
    return result;
  }
  if (hypothesis_) {
    if (auto answer = ask_called(*routine, function, args, names); answer) return *answer;
  }
  if (const KnownCall* known = library_call(*routine); known != nullptr) {
    if (routine->file.ends_with("/queue.py") && !args.empty() &&
        args[0].kind == Value::Kind::Const) {
      // Each of them begins with its mutex.
      const Object mutex = settled(args[0].object, "mutex");
      if (mutex != 0 && is_never_got(constant(mutex)))
        return {unknown_value(Level::Borrowed), false, false};
    }
    if (routine->file.ends_with("/queue.py") && (args.empty() || !is_library_queue(args[0]))) {
      unknown(act, "calls `" + routine->qualname + "` of a class of its own");
      return result;
    }
    if (const auto woken = woken_by(*known, args))
      add_releases(known->effects, *woken, known->verb);
    else
      add(known->effects, known->verb);
    const bool joins = known->name == "BaseProcess.join" || known->name == "BaseProcess.is_alive";
    const bool raises = known->raises && !(joins && !args.empty() && is_own_child(args[0]));
    for (const Value& v : args) drop(act, v);
    return {given(*known, {}), true, raises};
  }
  if (auto logged = call_logging(act, *routine, args, names); logged) return *logged;
  if ((routine->flags & kMakesGenerator) != 0) {
    unknown(act, "makes a generator of `" + routine->qualname + "`");
    return result;
  }
  const bool again = std::ranges::find(callers_, function) != callers_.end();
  if (again || callers_.size() >= kMaxDepth) {
    unknown(act, again ? "calls `" + routine->qualname + "` recursively" : "calls deeply");
    return result;
  }
  std::vector<std::string> keywords;
  for (const Object name : objects_.items(names)) keywords.push_back(objects_.key_name(name));
  State state;
  if (keywords.size() > args.size() || !bind_arguments(*routine, function, args, keywords, state))
    return {unknown_value(Level::Borrowed), false, true};
  Activation callee = activation(routine, remote_.pointer(function + kFunctionGlobals),
                                 remote_.pointer(function + kFunctionBuiltins));
  callee.closure = remote_.pointer(function + kFunctionClosure);
  callers_.push_back(function);
  const Outcome outcome = run(callee, 0, std::move(state));
  callers_.pop_back();
  return {outcome.returns ? outcome.result : unknown_value(Level::Borrowed), outcome.returns,
          outcome.raises, outcome.raised};
}

}  // namespace ipcdoctor::runtime::cpython
