#include <algorithm>

#include "runtime/cpython/code_reader.h"
#include "runtime/cpython/locks.h"
#include "runtime/cpython/threads.h"

// What a loop that polls asks for, and the answer as it is now. Each row says what the function of
// the library does as long as that stays so; where it would do anything else, there is no answer,
// and its code is read like any other.
namespace ipcdoctor::runtime::cpython {
namespace {

constexpr std::size_t kMaxAsked = 256;  // things that one call looks at, or one loop asks for
constexpr std::int64_t kNoHang = 1;     // WNOHANG

// PyFunctionObject, 3.11 to 3.15
constexpr std::uint64_t kFunctionCode = 48;

}  // namespace

// ------------------------------------------------------------------ values

std::optional<std::int64_t> CodeReader::number_of(const Value& v) const {
  if (!hypothesis_ || v.unset) return std::nullopt;
  const BuiltinType type = type_of(v);
  if (type != BuiltinType::Bool && type != BuiltinType::Int) return std::nullopt;
  return v.kind == Value::Kind::Const ? objects_.integer(v.object) : v.number;
}

std::optional<bool> CodeReader::is_none(const Value& v) const {
  if (!hypothesis_ || v.unset) return std::nullopt;
  if (type_of(v) == BuiltinType::None) return true;
  const bool other = v.kind == Value::Kind::Const || v.kind == Value::Kind::Builtin ||
                     v.kind == Value::Kind::Native || v.kind == Value::Kind::Function ||
                     v.kind == Value::Kind::Generator;
  return other ? std::optional<bool>(false) : std::nullopt;
}

// The items of a tuple or list, where they are known: those of a list also when nothing changes it.
std::optional<std::vector<Value>> CodeReader::parts_of(const Value& v) {
  const BuiltinType type = type_of(v);
  const bool list = type == BuiltinType::List || type == BuiltinType::Set ||
                    type == BuiltinType::Dict || type == BuiltinType::Deque;
  if (!hypothesis_ || v.unset || (!list && type != BuiltinType::Tuple)) return std::nullopt;
  if (v.kind != Value::Kind::Const) {
    if (!v.parts || (list && new_dict_written_)) return std::nullopt;
    return *v.parts;
  }
  const auto length = objects_.length(v.object);
  if (!length || *length > static_cast<std::int64_t>(kMaxAsked) || is_changed(v.object))
    return std::nullopt;
  std::vector<Value> parts;
  if (type == BuiltinType::Dict) {
    objects_.each_entry(v.object, [&](Object key, Object) {
      parts.push_back(constant(key));
      return true;
    });
  } else {
    for (const Object item : objects_.items(v.object, kMaxAsked)) parts.push_back(constant(item));
  }
  if (static_cast<std::int64_t>(parts.size()) != *length) return std::nullopt;
  return parts;
}

// Those of a short list or tuple of the target that nothing read here changes: as attributes are,
// what they are now. Not worth the way where they are Plain.
std::optional<std::vector<Value>> CodeReader::few_items_of(const Value& v) {
  constexpr std::int64_t kFew = 16;
  if (v.kind != Value::Kind::Const || v.unset) return std::nullopt;
  const auto length = objects_.length(v.object);
  if (!length || *length > kFew || is_changed(v.object) ||
      level_inside(v.object, 0) == Level::Plain)
    return std::nullopt;
  std::vector<Value> items;
  for (const Object item : objects_.items(v.object, kFew)) items.push_back(constant(item));
  if (static_cast<std::int64_t>(items.size()) != *length) return std::nullopt;
  return items;
}

std::optional<bool> CodeReader::truth_of(const Value& v) {
  if (!hypothesis_) return std::nullopt;
  if (is_none(v) == true) return false;
  if (const auto number = number_of(v)) return *number != 0;
  if (const auto parts = parts_of(v)) return !parts->empty();
  return std::nullopt;
}

std::optional<bool> CodeReader::are_equal(const Value& a, const Value& b) {
  const auto left = number_of(a), right = number_of(b);
  if (left && right) return *left == *right;
  const auto none = is_none(a), other_none = is_none(b);
  if (none && other_none && (*none || *other_none)) {
    const bool plain = is_plain(a) && is_plain(b);
    return *none == *other_none ? std::optional<bool>(true)
           : plain              ? std::optional<bool>(false)
                                : std::nullopt;
  }
  if (type_of(a) != BuiltinType::Tuple || type_of(b) != BuiltinType::Tuple) return std::nullopt;
  const auto items = parts_of(a), others = parts_of(b);
  if (!items || !others) return std::nullopt;
  if (items->size() != others->size()) return false;
  for (std::size_t i = 0; i < items->size(); ++i) {
    const auto same = number_of((*items)[i]) && number_of((*others)[i])
                          ? are_equal((*items)[i], (*others)[i])
                          : std::nullopt;
    if (same != true) return same;
  }
  return true;
}

// The arguments of COMPARE_OP: < <= == != > >=
std::optional<std::int64_t> CodeReader::compare(const Value& a, const Value& b, std::uint32_t op) {
  if (op == 2 || op == 3) {
    const auto same = are_equal(a, b);
    return same ? std::optional<std::int64_t>(*same == (op == 2)) : std::nullopt;
  }
  const auto left = number_of(a), right = number_of(b);
  if (!left || !right) return std::nullopt;
  switch (op) {
    case 0:
      return *left < *right;
    case 1:
      return *left <= *right;
    case 4:
      return *left > *right;
    case 5:
      return *left >= *right;
    default:
      return std::nullopt;
  }
}

// What `raise` makes of it: nothing is known but the class.
Value CodeReader::raised_by(const Value& v) {
  Value raised = unknown_value(Level::Borrowed);
  if (v.unset) return raised;
  if (v.kind == Value::Kind::Plain || v.kind == Value::Kind::Unknown) raised.object = v.object;
  if (v.kind == Value::Kind::Const)
    raised.object = is_exactly(v.object, "type") ? v.object : objects_.type_of(v.object);
  constexpr std::uint64_t kException = 1 << 30;  // Py_TPFLAGS_BASE_EXC_SUBCLASS of tp_flags
  if (raised.object != 0 && (remote_.word(raised.object + 168) & kException) == 0)
    raised.object = 0;
  return raised;
}

std::optional<bool> CodeReader::is_instance(const Value& exception, const Value& type) {
  const Object made_of = exception.kind == Value::Kind::Unknown ? exception.object : 0;
  if (!hypothesis_ || made_of == 0) return std::nullopt;
  if (type_of(type) == BuiltinType::Tuple) {
    const auto types = parts_of(type);
    bool all = types.has_value();
    for (const Value& one : types.value_or(std::vector<Value>{})) {
      const auto is = is_instance(exception, one);
      if (is == true) return true;
      all &= is.has_value();
    }
    return all ? std::optional<bool>(false) : std::nullopt;
  }
  if (type.kind != Value::Kind::Const || !is_exactly(type.object, "type")) return std::nullopt;
  const auto& order = facts_of(made_of).order;
  if (order.empty()) return std::nullopt;
  return std::ranges::find(order, type.object) != order.end();
}

// ------------------------------------------------------------------ calls of what is made here

CodeReader::CallResult CodeReader::call_made(Activation& act, const Value& function,
                                             std::vector<Value> args) {
  CallResult result{unknown_value(Level::Borrowed), true, true};
  constexpr std::uint32_t kMakesGenerator = 0x20, kOther = 4 | 8 | 0x80 | 0x200;
  const auto routine = routine_at(function.object);
  const bool possible = routine != nullptr && (routine->flags & kOther) == 0 &&
                        routine->keyword_only == 0 && routine->positional == args.size();
  if (!possible || callers_.size() >= 24 ||
      std::ranges::find(callers_, function.object) != callers_.end()) {
    unknown(act, "calls a function that it made");
    return result;
  }
  if ((routine->flags & kMakesGenerator) != 0) {
    result.value.kind = Value::Kind::Generator;
    result.value.object = function.object;
    result.value.globals = function.globals;
    auto parts = function.parts ? *function.parts : std::vector<Value>();
    for (Value& arg : args) parts.push_back(borrowed(std::move(arg)));
    result.value.parts = std::make_shared<const std::vector<Value>>(std::move(parts));
    result.raises = false;
    return result;
  }
  Activation callee = activation(routine, function.globals, act.builtins);
  if (function.parts) callee.cells = *function.parts;
  State state;
  state.locals.assign(routine->locals.size(), null_value());
  std::ranges::copy(args, state.locals.begin());
  callers_.push_back(function.object);
  const Outcome outcome = run(callee, 0, std::move(state));
  callers_.pop_back();
  return {outcome.returns ? outcome.result : unknown_value(Level::Borrowed), outcome.returns,
          outcome.raises, outcome.raised};
}

CodeReader::CallResult CodeReader::consume(Activation& act, const Value& generator,
                                           Consumer& consumer) {
  CallResult result{builtin_value(BuiltinType::Bool), false, false};
  const auto routine = routine_at(generator.object);
  if (routine == nullptr || !generator.parts || callers_.size() >= 24 ||
      std::ranges::find(callers_, generator.object) != callers_.end()) {
    unknown(act, "goes through a generator");
    return result;
  }
  Activation callee = activation(routine, generator.globals, act.builtins);
  callee.consumer = &consumer;
  const std::size_t cells = generator.parts->size() - routine->positional;
  callee.cells.assign(generator.parts->begin(),
                      generator.parts->begin() + static_cast<std::ptrdiff_t>(cells));
  State state;
  state.locals.assign(routine->locals.size(), null_value());
  std::copy(generator.parts->begin() + static_cast<std::ptrdiff_t>(cells), generator.parts->end(),
            state.locals.begin());
  callers_.push_back(generator.object);
  const Outcome outcome = run(callee, 0, std::move(state));
  callers_.pop_back();
  result.raises = outcome.raises;
  result.raised = outcome.raised;
  result.returns = outcome.returns || consumer.may_stop;
  if (consumer.stops_at && outcome.returns != consumer.may_stop)
    result.value.number = consumer.may_stop == *consumer.stops_at ? 1 : 0;
  return result;
}

// Calls that go through a generator at once. To add, compare and hash the items is known of plain
// ones only.
std::optional<CodeReader::CallResult> CodeReader::take_all(Activation& act, const KnownCall& known,
                                                           const std::vector<Value>& args) {
  constexpr std::array<std::string_view, 7> kPlain = {
      "builtins.sum", "builtins.min",    "builtins.max", "set()",
      "frozenset()",  "builtins.sorted", "str.join"};
  const bool decides = known.name == "builtins.any" || known.name == "builtins.all";
  const bool keeps = known.name == "list()" || known.name == "tuple()";
  const bool computes = std::ranges::find(kPlain, known.name) != kPlain.end();
  const std::size_t at = known.name == "str.join" ? 1 : 0;
  if ((!decides && !keeps && !computes) || args.size() <= at ||
      args[at].kind != Value::Kind::Generator)
    return std::nullopt;
  for (std::size_t i = 0; i < args.size(); ++i)
    if (i != at && !is_harmless(args[i])) return std::nullopt;
  Consumer consumer;
  if (decides) consumer.stops_at = known.name == "builtins.any";
  CallResult result = consume(act, args[at], consumer);
  if (decides) return result;
  if (computes && consumer.items != Level::Plain)
    unknown(act,
            "calls `" + std::string(known.name) + "` with objects of a type that is not known");
  result.value = given(known, {});
  if (keeps) result.value.inside = consumer.items;
  result.raises |= known.raises;
  return result;
}

// ------------------------------------------------------------------ questions

void CodeReader::note(Question::Kind kind, std::int64_t number, std::uint64_t address) {
  const Question question{kind, number, address};
  if (std::ranges::find(questions_, question) != questions_.end()) return;
  if (questions_.size() < kMaxAsked)
    questions_.push_back(question);
  else
    asks_too_much_ = true;
}

namespace {

Value none() {
  return builtin_value(BuiltinType::None);
}
Value boolean(bool is) {
  return number_value(BuiltinType::Bool, is ? 1 : 0);
}
Value empty_list() {
  Value list = builtin_value(BuiltinType::List);
  list.parts = std::make_shared<const std::vector<Value>>();
  return list;
}

}  // namespace

Value CodeReader::exception_type(const char* name, const char* module) {
  const Object type = module_global(objects_, modules_, module, name);
  return type != 0 && is_exactly(type, "type") ? constant(type) : unknown_value(Level::Plain);
}

CodeReader::CallResult CodeReader::raise_of(const char* module, const char* name) {
  CallResult result{unknown_value(Level::Borrowed), false, true};
  const Value type = exception_type(name, module);
  if (type.kind == Value::Kind::Const) result.raised = raised_by(type);
  return result;
}

// The attribute of an object of the target that no code read here assigns.
Object CodeReader::settled(Object object, const char* name) const {
  return names_.contains(name) ? 0 : objects_.attribute(object, name);
}

bool CodeReader::is_false(Object object) const {
  return object != 0 && objects_.type_name(object) == "bool" && objects_.integer(object) == 0;
}

bool CodeReader::is_method_of(Object object, const char* method, std::string_view file,
                              std::string_view qualname) {
  const Found found = find_on_type(objects_.type_of(object), method);
  if (found.object == 0 || !is_exactly(found.object, "function")) return false;
  const auto routine = routine_at(remote_.pointer(found.object + kFunctionCode));
  return routine != nullptr && routine->qualname == qualname && library_file(*routine) == file;
}

// multiprocessing.Process over popen_fork.Popen, which waits for a child of this very process
// (popen_forkserver's would be another's).
std::optional<CodeReader::CallResult> CodeReader::ask_process(std::string_view function,
                                                              const Arguments& argument) {
  const Value self = argument("self");
  if (self.kind != Value::Kind::Const) return std::nullopt;
  const Object popen = settled(self.object, "_popen");
  const std::int64_t pid = popen == 0 ? 0 : objects_.integer(settled(popen, "pid")).value_or(0);
  const bool open = is_false(settled(self.object, "_closed"));
  const bool known = open && pid > 0 && objects_.is_none(settled(popen, "returncode")) &&
                     is_method_of(popen, "poll", "multiprocessing/popen_fork.py", "Popen.poll") &&
                     is_method_of(popen, "wait", "multiprocessing/popen_fork.py", "Popen.wait");
  if (!known) return std::nullopt;
  note(Question::Kind::Child, pid);
  if (function == "BaseProcess.is_alive") return CallResult{boolean(true), true, false};
  if (function == "BaseProcess.exitcode") return CallResult{none(), true, false};
  const Value timeout = argument("timeout");
  if (is_none(timeout) == true) return CallResult{none(), false, false};
  if (!is_number(type_of(timeout))) return std::nullopt;
  return CallResult{none(), true, false};
}

std::optional<CodeReader::CallResult> CodeReader::ask_popen(std::string_view function,
                                                            const Arguments& argument) {
  const Value self = argument("self");
  if (self.kind != Value::Kind::Const) return std::nullopt;
  const auto pid = objects_.integer(settled(self.object, "pid"));
  const bool known = pid && *pid > 0 && objects_.is_none(settled(self.object, "returncode"));
  if (!known) return std::nullopt;
  note(Question::Kind::Child, *pid);
  if (function == "Popen.poll") return CallResult{none(), true, false};
  const Value timeout = argument("timeout");
  if (is_none(timeout) == true) return CallResult{none(), false, false};
  if (!is_number(type_of(timeout))) return std::nullopt;
  return raise_of("subprocess", "TimeoutExpired");
}

// The descriptor of a multiprocessing.connection.Connection, or a number.
std::optional<int> CodeReader::descriptor_of(const Value& v) {
  if (v.kind != Value::Kind::Const) return std::nullopt;
  std::optional<std::int64_t> number = number_of(v);
  if (v.type == BuiltinType::Other &&
      is_method_of(v.object, "fileno", "multiprocessing/connection.py", "_ConnectionBase.fileno"))
    number = objects_.integer(settled(v.object, "_handle"));
  return number && *number >= 0 && *number < (1 << 30)
             ? std::optional<int>(static_cast<int>(*number))
             : std::nullopt;
}

std::optional<CodeReader::CallResult> CodeReader::ask_queue(std::string_view function,
                                                            const Arguments& argument) {
  const Value self = argument("self");
  if (self.kind != Value::Kind::Const) return std::nullopt;
  const Object reader = settled(self.object, "_reader");
  if (reader == 0) return std::nullopt;
  const auto fd = descriptor_of(constant(reader));
  if (!fd) return std::nullopt;
  if (function != "Queue.get") {
    note(Question::Kind::Data, *fd);
    return CallResult{boolean(true), true, false};
  }
  const Value timeout = argument("timeout");
  const auto blocks = truth_of(argument("block"));
  if (!is_false(settled(self.object, "_closed")) || !blocks) return std::nullopt;
  const bool untimed = *blocks && is_none(timeout) == true;
  if (*blocks && !untimed && !is_number(type_of(timeout))) return std::nullopt;
  note(Question::Kind::Data, *fd);
  return untimed ? CallResult{none(), false, false} : raise_of("queue", "Empty");
}

std::optional<CodeReader::CallResult> CodeReader::ask_connection(std::string_view function,
                                                                 const Arguments& argument) {
  const Value timeout = argument("timeout");
  const bool untimed = is_none(timeout) == true;
  if (!untimed && !is_number(type_of(timeout))) return std::nullopt;
  std::vector<Value> asked;
  if (function == "wait") {
    const auto list = parts_of(argument("object_list"));
    if (!list || list->empty()) return std::nullopt;
    asked = *list;
  } else {
    asked = {argument("self")};
  }
  std::vector<int> fds;
  for (const Value& one : asked) {
    const auto fd = descriptor_of(one);
    if (!fd) return std::nullopt;
    fds.push_back(*fd);
  }
  for (const int fd : fds) note(Question::Kind::Data, fd);
  return CallResult{function == "wait" ? empty_list() : boolean(false), !untimed, false};
}

// threading.Event, and that of multiprocessing: a semaphore that is posted and not taken. Who ends
// a wait for the latter posts another semaphore, for which the one who notifies may wait.
std::optional<CodeReader::CallResult> CodeReader::ask_event(std::string_view function,
                                                            const Arguments& argument) {
  const Value self = argument("self");
  if (self.kind != Value::Kind::Const) return std::nullopt;
  const Object flag = settled(self.object, "_flag");
  if (flag == 0) return std::nullopt;
  const bool untimed = function == "Event.wait" && is_none(argument("timeout")) == true;
  if (function == "Event.wait" && !untimed && !is_number(type_of(argument("timeout"))))
    return std::nullopt;
  if (objects_.type_name(flag) == "bool") {
    if (!is_false(flag)) return std::nullopt;
    note(Question::Kind::Own);
  } else {
    const auto semaphore = semaphore_of(flag);
    const Object condition = settled(self.object, "_cond");
    const auto woken =
        condition == 0 ? std::nullopt : semaphore_of(settled(condition, "_woken_count"));
    // sem_t of glibc: {value, those who wait}
    const bool waits = semaphore && woken && remote_.get<std::uint32_t>(*semaphore) == 0 &&
                       remote_.get<std::uint32_t>(*woken + 4) == 0;
    if (!waits) return std::nullopt;
    note(Question::Kind::Semaphore, 0, *semaphore);
  }
  return CallResult{boolean(false), !untimed, false};
}

// The sem_t of a multiprocessing.synchronize.SemLock or of its _semlock.
std::optional<std::uint64_t> CodeReader::semaphore_of(Object lock) {
  if (lock == 0) return std::nullopt;
  const Object inner = objects_.attribute(lock, "_semlock");
  const Object semlock = inner == 0 ? lock : inner;
  // {handle 16} of Modules/_multiprocessing/semaphore.c
  const std::uint64_t handle =
      is_exactly(semlock, "_multiprocessing.SemLock") ? remote_.pointer(semlock + 16) : 0;
  return handle == 0 ? std::nullopt : std::optional<std::uint64_t>(handle);
}

// Modules/_threadmodule.c and, from 3.14 on, _PyRecursiveMutex: {owner 24, count or level 32}.
bool CodeReader::is_of_another_thread(Object rlock) const {
  const bool counts = minor_ >= 14 || remote_.word(objects_.member(rlock, 32)) != 0;
  const std::uint64_t owner = counts ? remote_.word(objects_.member(rlock, 24)) : 0;
  return owner != 0 && ident_ != 0 && owner != ident_;
}

// Up to 3.12 the lock that the interpreter frees at the end of the thread.
std::optional<CodeReader::CallResult> CodeReader::ask_thread(std::string_view function,
                                                             const Arguments& argument) {
  const Value self = argument("self");
  if (self.kind != Value::Kind::Const || minor_ > 12) return std::nullopt;
  const Object lock = settled(self.object, "_tstate_lock");
  const bool runs = lock != 0 && is_exactly(lock, "_thread.lock") &&
                    is_locked(objects_, lock) == true &&
                    is_false(settled(self.object, "_is_stopped"));
  if (!runs) return std::nullopt;
  note(Question::Kind::Own);
  if (function == "Thread.is_alive") return CallResult{boolean(true), true, false};
  const Value timeout = argument("timeout");
  if (is_none(timeout) == true) return CallResult{none(), false, false};
  if (!is_number(type_of(timeout))) return std::nullopt;
  return CallResult{none(), true, false};
}

std::optional<CodeReader::CallResult> CodeReader::ask_thread_queue(std::string_view function,
                                                                   const Arguments& argument) {
  const Value self = argument("self");
  if (!is_library_queue(self)) return std::nullopt;
  const Object items = settled(self.object, "queue");
  if (items == 0 || objects_.length(items) != 0) return std::nullopt;
  if (function == "Queue.empty") {
    note(Question::Kind::Own);
    return CallResult{boolean(true), true, false};
  }
  if (function == "Queue.qsize") {
    note(Question::Kind::Own);
    return CallResult{number_value(BuiltinType::Int, 0), true, false};
  }
  const Value timeout = argument("timeout");
  const auto blocks = truth_of(argument("block"));
  if (!blocks) return std::nullopt;
  const bool untimed = *blocks && is_none(timeout) == true;
  if (*blocks && !untimed && !is_number(type_of(timeout))) return std::nullopt;
  note(Question::Kind::Own);
  return untimed ? CallResult{none(), false, false} : raise_of("queue", "Empty");
}

std::optional<CodeReader::CallResult> CodeReader::ask(const Routine& routine,
                                                      const Arguments& argument) {
  struct Row {
    std::string_view file, function;
    std::optional<CallResult> (CodeReader::*ask)(std::string_view, const Arguments&);
  };
  static constexpr Row kRows[] = {
      {"multiprocessing/process.py", "BaseProcess.is_alive", &CodeReader::ask_process},
      {"multiprocessing/process.py", "BaseProcess.exitcode", &CodeReader::ask_process},
      {"multiprocessing/process.py", "BaseProcess.join", &CodeReader::ask_process},
      {"subprocess.py", "Popen.poll", &CodeReader::ask_popen},
      {"subprocess.py", "Popen.wait", &CodeReader::ask_popen},
      {"multiprocessing/queues.py", "Queue.get", &CodeReader::ask_queue},
      {"multiprocessing/queues.py", "Queue.empty", &CodeReader::ask_queue},
      {"multiprocessing/queues.py", "SimpleQueue.empty", &CodeReader::ask_queue},
      {"multiprocessing/connection.py", "_ConnectionBase.poll", &CodeReader::ask_connection},
      {"multiprocessing/connection.py", "wait", &CodeReader::ask_connection},
      {"multiprocessing/synchronize.py", "Event.wait", &CodeReader::ask_event},
      {"multiprocessing/synchronize.py", "Event.is_set", &CodeReader::ask_event},
      {"threading.py", "Event.wait", &CodeReader::ask_event},
      {"threading.py", "Event.is_set", &CodeReader::ask_event},
      {"threading.py", "Thread.is_alive", &CodeReader::ask_thread},
      {"threading.py", "Thread.join", &CodeReader::ask_thread},
      {"queue.py", "Queue.get", &CodeReader::ask_thread_queue},
      {"queue.py", "Queue.empty", &CodeReader::ask_thread_queue},
      {"queue.py", "Queue.qsize", &CodeReader::ask_thread_queue},
  };
  const std::string file = library_file(routine);
  for (const Row& row : kRows)
    if (row.file == file && row.function == routine.qualname)
      return (this->*row.ask)(row.function, argument);
  return std::nullopt;
}

std::optional<CodeReader::CallResult> CodeReader::ask_called(const Routine& routine,
                                                             Object function,
                                                             std::vector<Value> args,
                                                             Object names) {
  std::vector<std::string> keywords;
  for (const Object name : objects_.items(names)) keywords.push_back(objects_.key_name(name));
  State state;
  if (keywords.size() > args.size() || !bind_arguments(routine, function, args, keywords, state))
    return std::nullopt;
  return ask(routine, [&](std::string_view name) {
    for (std::size_t i = 0; i < routine.locals.size(); ++i)
      if (objects_.key_name(routine.locals[i]) == name) return state.locals[i];
    return null_value();
  });
}

// Frames of the library that only wait within another of its functions.
bool CodeReader::runs_in_library(const std::vector<PyFrame>& frames, std::size_t end) const {
  constexpr std::string_view kFiles[] = {"multiprocessing/connection.py",
                                         "multiprocessing/popen_fork.py",
                                         "multiprocessing/process.py",
                                         "multiprocessing/queues.py",
                                         "multiprocessing/synchronize.py",
                                         "selectors.py",
                                         "subprocess.py",
                                         "threading.py",
                                         "queue.py"};
  return std::all_of(frames.begin(), frames.begin() + static_cast<std::ptrdiff_t>(end) + 1,
                     [&](const PyFrame& frame) {
                       const std::string file = library_file(frame.code->file);
                       return std::ranges::find(kFiles, file) != std::end(kFiles);
                     });
}

std::optional<CodeReader::CallResult> CodeReader::ask_native(const KnownCall& known,
                                                             const std::vector<Value>& args,
                                                             Object names) {
  const std::string_view name = known.name;
  const std::vector<Object> keywords = objects_.items(names);
  // Whether that argument is the first behind self, by its place or by its name.
  const auto is_first = [&](std::size_t i, std::string_view keyword) {
    const std::size_t by_place = args.size() - keywords.size();
    return i < by_place ? i == 1 : objects_.key_name(keywords[i - by_place]) == keyword;
  };
  if (name == "builtins.any" || name == "builtins.all") {
    if (args.size() != 1) return std::nullopt;
    const bool stops_at = name == "builtins.any";
    const auto parts = parts_of(args[0]);
    if (!parts) return std::nullopt;
    bool all_known = true;
    for (const Value& part : *parts) {
      const auto truth = truth_of(part);
      if (truth == stops_at) return CallResult{boolean(stops_at), true, false};
      all_known &= truth.has_value();
    }
    if (!all_known) return std::nullopt;
    return CallResult{boolean(!stops_at), true, false};
  }
  if (name == "builtins.len" && args.size() == 1) {
    const auto parts = parts_of(args[0]);
    if (!parts) return std::nullopt;
    const auto size = static_cast<std::int64_t>(parts->size());
    return CallResult{number_value(BuiltinType::Int, size), true, false};
  }
  if (name == "posix.waitpid" && args.size() == 2 && keywords.empty()) {
    const auto pid = number_of(args[0]), options = number_of(args[1]);
    if (!pid || !options || (*pid <= 0 && *pid != -1)) return std::nullopt;
    note(Question::Kind::Child, *pid);
    Value answer = builtin_value(BuiltinType::Tuple);
    answer.parts = std::make_shared<const std::vector<Value>>(2, number_value(BuiltinType::Int, 0));
    return CallResult{std::move(answer), (*options & kNoHang) != 0, false};
  }
  const bool recursive = name == "_thread.RLock.acquire";
  if ((name == "_thread.lock.acquire" || recursive) && args.size() <= 3) {
    const Value self = args.empty() ? null_value() : args[0];
    const bool is_lock = self.kind == Value::Kind::Const &&
                         is_exactly(self.object, recursive ? "_thread.RLock" : "_thread.lock");
    const bool taken = is_lock && (recursive ? is_of_another_thread(self.object)
                                             : is_locked(objects_, self.object) == true);
    if (!taken) return std::nullopt;
    // acquire(blocking=True, timeout=-1), where -1 is for ever
    bool blocks = true, timed = false;
    for (std::size_t i = 1; i < args.size(); ++i) {
      if (is_first(i, "blocking")) {
        const auto truth = truth_of(args[i]);
        if (!truth) return std::nullopt;
        blocks = *truth;
      } else {
        if (!is_number(type_of(args[i])) || number_of(args[i]).value_or(0) < 0) return std::nullopt;
        timed = true;
      }
    }
    if (!blocks && timed) return std::nullopt;  // ValueError
    note(Question::Kind::Own);
    return CallResult{boolean(false), !blocks || timed, false};
  }
  if (name == "_multiprocessing.SemLock.acquire") {
    // {count 32, kind 40}; RECURSIVE_MUTEX 0 is the caller's own where its count is not 0
    const Value self = args.empty() ? null_value() : args[0];
    const auto semaphore =
        self.kind == Value::Kind::Const ? semaphore_of(self.object) : std::nullopt;
    const bool taken = semaphore && remote_.get<std::uint32_t>(*semaphore) == 0;
    const bool own =
        taken && remote_.get<int>(self.object + 40) == 0 && remote_.get<int>(self.object + 32) > 0;
    if (!taken || own) return std::nullopt;
    bool untimed = true;
    for (std::size_t i = 1; i < args.size(); ++i) {
      if (is_first(i, "block")) {
        const auto blocks = truth_of(args[i]);
        if (!blocks) return std::nullopt;
        untimed &= *blocks;
      } else {
        const auto no_timeout = is_none(args[i]);
        if (!no_timeout) return std::nullopt;
        untimed &= *no_timeout;
      }
    }
    note(Question::Kind::Semaphore, 0, *semaphore);
    return CallResult{boolean(false), !untimed, false};
  }
  return std::nullopt;
}

}  // namespace ipcdoctor::runtime::cpython
