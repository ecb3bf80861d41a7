#include "runtime/cpython/code_reader.h"

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "runtime/cpython/line_table.h"
#include "runtime/cpython/locks.h"
#include "runtime/cpython/threads.h"

namespace ipcdoctor::runtime::cpython {
namespace {

using snapshot::kEndsThread;
using snapshot::kFinishes;
using snapshot::kLeaves;
using snapshot::kRaises;
using snapshot::kReleases;
using snapshot::kUnknown;
using snapshot::kWrites;

constexpr std::size_t kMaxCode = 1 << 16;   // bytes of instructions of one function
constexpr std::size_t kMaxNames = 1 << 14;  // of one function
constexpr std::size_t kMaxSteps = 30'000;   // instructions that are looked at for one thread
constexpr std::size_t kMaxRoutines = 512;   // of a process
constexpr std::size_t kMaxReadFrames = 64;  // of one thread
constexpr std::uint32_t kMaxStack = 4096;   // slots
constexpr int kMaxRounds = 4;
constexpr std::size_t kMaxGivenUp = 256;  // objects that go with one

// Members of PyCodeObject and others that only the reader of code needs, by minor version; measured
// with offsetof on 3.11.2, 3.11.7, 3.12.1, 3.13.0, 3.13.15, 3.14.8 and 3.15.0.
struct CodeLayout {
  std::uint64_t consts, names, flags, positional, keyword_only, free;
  std::uint64_t interp_audit_hooks;
  std::uint64_t interp_eval_frame;  ///< of 3.13 and later
  std::uint64_t thread_functions;   ///< c_profilefunc, c_tracefunc; from 3.12 on
  std::uint64_t thread_dict;
};
constexpr CodeLayout kLayouts[] = {
    {24, 32, 48, 56, 64, 92, 3552, 0, 0, 128},       {24, 32, 48, 52, 60, 88, 267208, 0, 64, 112},
    {24, 32, 48, 52, 60, 88, 10808, 8472, 80, 128},  {24, 32, 48, 52, 60, 88, 10912, 8520, 80, 128},
    {24, 32, 48, 52, 60, 88, 10888, 8472, 104, 152},
};
const CodeLayout& code_layout(int minor) {
  return kLayouts[minor - 11];
}

std::string base_name(std::string_view path) {
  const auto slash = path.rfind('/');
  return std::string(slash == path.npos ? path : path.substr(slash + 1));
}

// "threading.py" of ".../lib/python3.11/threading.py"; "" for what is not of the library.
std::string library_name(std::string_view file, int minor) {
  const std::string folder = "/python3." + std::to_string(minor) + "/";
  const auto at = file.rfind(folder);
  if (at == file.npos || !is_library_file(file)) return {};
  return std::string(file.substr(at + folder.size()));
}

std::string joined(const std::vector<std::string_view>& verbs) {
  std::string text;
  for (std::size_t i = 0; i < verbs.size(); ++i) {
    if (i > 0) text += i + 1 == verbs.size() ? " and " : ", ";
    text += verbs[i];
  }
  return text.empty() ? "computes" : text;
}

}  // namespace

CodeReader::CodeReader(const Objects& objects, const Runtime& runtime,
                       const linux::AddressSpace& space)
    : objects_(objects),
      runtime_(runtime),
      space_(space),
      remote_(objects.remote()),
      minor_(runtime.layout.minor),
      modules_(remote_.pointer(runtime.interpreter + runtime.layout.interp_modules)) {
  const linux::Mapping* own = linux::find_mapping(space.maps(), RemoteAddr{runtime.address});
  // .bss is anonymous: the mapping before it is the image's.
  if (own != nullptr && own->ino == 0 && own != space.maps().data()) --own;
  for (const linux::Mapping& m : space.maps()) {
    if (m.ino == 0) continue;
    const bool interpreter = own != nullptr && m.ino == own->ino && m.dev == own->dev;
    if (interpreter || m.path.find("/lib-dynload/") != std::string::npos)
      images_.emplace_back(m.start, m.end);
  }
}

bool CodeReader::can_read(std::uint64_t thread_state) {
  if (!is_readable_bytecode(minor_) || runtime_.layout.header_growth != 0 || images_.empty())
    return false;
  const CodeLayout& l = code_layout(minor_);
  // pycore_interp.h audit_hooks (Python's), pycore_runtime.h audit_hooks.head (C's)
  if (remote_.word(runtime_.interpreter + l.interp_audit_hooks) != 0) return false;
  if (!is_audited_) {
    constexpr std::uint64_t kHead_3_11 = 656, kHead = 64;
    const auto preconfig = minor_ == 11 ? std::nullopt : find_preconfig(remote_, runtime_);
    const std::uint64_t head = minor_ == 11 ? runtime_.address + kHead_3_11
                               : preconfig  ? *preconfig + kHead
                                            : 0;
    is_audited_ = head == 0 || remote_.word(head) != 0;
  }
  if (*is_audited_) return false;
  if (minor_ == 11) {  // _PyCFrame.use_tracing
    const std::uint64_t cframe = remote_.pointer(thread_state + runtime_.layout.thread_frame);
    return cframe != 0 && remote_.get<std::uint8_t>(cframe) == 0;
  }
  // PEP 523: an evaluator that is not the interpreter's own
  const std::uint64_t evaluator =
      minor_ < 13 ? 0 : remote_.word(runtime_.interpreter + l.interp_eval_frame);
  if (evaluator != 0 && !is_trusted(evaluator)) return false;
  const std::uint64_t functions = thread_state + l.thread_functions;
  if (remote_.word(functions) != 0 || remote_.word(functions + 8) != 0) return false;
  // sys.monitoring was used: interp.monitoring_version; the upper bits of tstate.eval_breaker
  return minor_ == 12 ? remote_.word(runtime_.interpreter + 48) == 0
                      : remote_.word(thread_state + 24) >> 8 == 0;
}

void CodeReader::add_thread(std::uint64_t thread_state, std::vector<PyFrame> frames, bool is_main,
                            bool is_alive) {
  Root root;
  root.thread_state = thread_state;
  root.frames = std::move(frames);
  root.is_main = is_main;
  root.is_alive = is_alive;
  root.may_rename = is_alive && !std::ranges::all_of(root.frames, &PyFrame::library);
  roots_.push_back(std::move(root));
}

std::string CodeReader::name_of(Object callable) {
  Object function = callable;
  if (is_exactly(function, "functools.partial")) function = remote_.pointer(function + 16);
  if (is_exactly(function, "method")) function = remote_.pointer(function + 16);
  if (is_exactly(function, "function")) {
    const auto routine = routine_at(remote_.pointer(function + 48));
    if (routine != nullptr)
      return routine->qualname + " in " + base_name(routine->file) + ":" +
             std::to_string(routine->first_line);
  }
  const std::string name = objects_.function_name(function);
  return name.empty() ? "a " + objects_.class_name(function) : name;
}

bool CodeReader::is_of_library(Object callable, std::string_view file, std::string_view qualname) {
  const Object code = code_called_by(callable);
  const auto routine = code == 0 ? nullptr : routine_at(code);
  return routine != nullptr && routine->qualname == qualname &&
         library_name(routine->file, minor_) == file;
}

bool CodeReader::comes_back(const PyFrame& frame) {
  const auto routine = routine_at(frame.object);
  return routine != nullptr &&
         cpython::comes_back(routine->bytecode, static_cast<std::uint32_t>(frame.offset / 2));
}

void CodeReader::add_handler(Object callable) {
  Root root;
  root.handler = callable;
  roots_.push_back(std::move(root));
}

void CodeReader::add_callback(Object callable, std::vector<Object> arguments) {
  Root root;
  root.handler = callable;
  root.arguments = std::move(arguments);
  roots_.push_back(std::move(root));
}

std::vector<snapshot::Effects> CodeReader::read() {
  std::vector<snapshot::Effects> out;
  for (int round = 0; round < kMaxRounds; ++round) {
    assigned_ = false;
    out.clear();
    for (const Root& root : roots_) out.push_back(read_root(root));
    if (!assigned_) break;
  }
  std::string all;
  if (assigned_) all = "what its threads assign is not known";
  const bool renames = std::ranges::any_of(
      namespaces_, [&](Object dict) { return written_.contains(dict) || removed_.contains(dict); });
  if (renames) all = "changes names through a dict";
  for (std::size_t i = 0; i < roots_.size(); ++i) {
    if (roots_[i].may_rename && (out[i].mask & kUnknown) != 0 && all.empty())
      all = "another thread, which " + out[i].unknown + ", may change what it calls";
  }
  if (all.empty()) return out;
  for (std::size_t i = 0; i < roots_.size(); ++i) {
    if ((out[i].mask & kUnknown) != 0) continue;
    if (roots_[i].handler != 0 && !renames && !assigned_) continue;
    out[i].mask |= kUnknown;
    out[i].unknown = all;
  }
  return out;
}

// In a world of their own: what is written beyond the loops does not count.
std::vector<std::optional<Polling>> CodeReader::read_polling() {
  std::vector<std::optional<Polling>> out(roots_.size());
  std::vector<bool> may(roots_.size());
  for (std::size_t i = 0; i < roots_.size(); ++i) may[i] = roots_[i].is_alive;
  for (bool settled = false; !settled;) {
    names_.clear();
    items_.reset();
    namespaces_.clear();
    written_.clear();
    removed_.clear();
    held_as_of_.reset();
    new_dict_written_ = false;
    assigned_ = true;
    settled = true;
    for (int round = 0; round < kMaxRounds && assigned_; ++round) {
      assigned_ = false;
      for (std::size_t i = 0; i < roots_.size(); ++i) {
        hypothesis_ = may[i];
        questions_.clear();
        asks_too_much_ = false;
        const snapshot::Effects effects = read_root(roots_[i]);
        hypothesis_ = false;
        if (!may[i]) continue;
        const bool loops =
            (effects.mask & ~std::uint32_t{kWrites}) == 0 && !questions_.empty() && !asks_too_much_;
        if (loops && ((effects.mask & kWrites) == 0 || !effects.fds.empty())) {
          out[i] = Polling{questions_, effects};
        } else {
          out[i].reset();
          may[i] = settled = false;
        }
      }
      if (!settled) break;
    }
    const bool renames = std::ranges::any_of(namespaces_, [&](Object dict) {
      return written_.contains(dict) || removed_.contains(dict);
    });
    if (settled && (assigned_ || renames)) out.assign(roots_.size(), std::nullopt);
  }
  return out;
}

snapshot::Effects CodeReader::read_root(const Root& root) {
  effects_ = {};
  effects_.mask = 0;
  all_fds_known_ = all_woken_known_ = true;
  stopped_ = false;
  verbs_.clear();
  callers_.clear();
  budget_ = kMaxSteps;
  reads_main_ = root.is_main;
  ident_ = root.handler != 0 ? 0 : remote_.word(root.thread_state + runtime_.layout.thread_ident);
  if (root.handler != 0) {
    read_handler(root);
  } else {
    read_thread(root);
  }
  if (!all_fds_known_) effects_.fds.clear();
  if (!all_woken_known_) effects_.releases.clear();
  effects_.summary = joined(verbs_);
  return effects_;
}

// SystemExit or KeyboardInterrupt, or one that the program derived from them.
bool CodeReader::asks_to_end(const Value& exception) {
  if (exception.object == 0) return false;
  return std::ranges::any_of(facts_of(exception.object).order, [this](Object base) {
    const TypeFacts& facts = facts_of(base);
    return facts.is_static && (facts.name == "SystemExit" || facts.name == "KeyboardInterrupt");
  });
}

void CodeReader::read_handler(const Root& root) {
  Activation act;
  std::vector<Value> args{builtin_value(BuiltinType::Int), unknown_value(Level::Borrowed)};
  if (root.arguments) {
    args.clear();
    for (const Object argument : *root.arguments) args.push_back(constant(argument));
  }
  const CallResult result = call(act, constant(root.handler), std::move(args), 0);
  if (result.raises) {
    if (asks_to_end(result.raised))
      add(kLeaves, "ends the program");
    else
      add(kRaises);
  }
  if (result.returns) drop(act, result.value);
}

// Follows the frames outward as long as what is inside may come back to them.
void CodeReader::read_thread(const Root& root) {
  const auto& frames = root.frames;
  Activation nowhere;
  if (frames.empty()) return unknown(nowhere, "has no frames");
  if (frames.size() > kMaxReadFrames) return unknown(nowhere, "is deep inside of calls");
  Outcome inner;
  bool have_inner = false;
  Object called_by_c = 0;  // the code of the frame inside, if C code called it
  std::size_t next = 0;
  const KnownCall* summary = nullptr;  // the outermost: it includes those that it calls
  for (std::size_t i = 0; i < frames.size() && frames[i].library; ++i) {
    if (hypothesis_) {
      const auto routine = runs_in_library(frames, i) ? routine_at(frames[i].object) : nullptr;
      const Frames reader(objects_);
      const auto answer =
          routine == nullptr ? std::nullopt : ask(*routine, [&](std::string_view name) {
            const Object local = reader.local(frames[i], name);
            return local == 0 ? null_value() : constant(local);
          });
      if (answer) {
        inner = {answer->returns, answer->raises, answer->value, answer->raised};
        have_inner = true;
        summary = nullptr;
        called_by_c = frames[i].entry ? frames[i].object : 0;
        next = i + 1;
        continue;
      }
    }
    const KnownCall* known = summary_of(frames[i]);
    if (known == nullptr) continue;
    summary = known;
    inner = {true, known->raises, given(*known, {})};
    have_inner = true;
    called_by_c = frames[i].entry ? frames[i].object : 0;
    next = i + 1;
  }
  if (summary != nullptr) add(summary->effects, summary->verb);
  for (; next < frames.size() && !is_over(); ++next) {
    if (have_inner && !inner.returns && !inner.raises) return;
    if (have_inner && ends_thread(frames[next], inner, root)) return;
    const auto outcome = resume(frames[next], have_inner ? &inner : nullptr, called_by_c);
    if (!outcome) return;
    inner = *outcome;
    have_inner = true;
    called_by_c = frames[next].entry ? frames[next].object : 0;
  }
  if (is_over() || (!inner.returns && !inner.raises)) return;
  if (root.is_main) return unknown(nowhere, "ends its program, and runs what that registered");
  if (inner.raises) return unknown(nowhere, "may end by an exception");
  add(kEndsThread);
}

// What threading does around a thread's function is not read: its end is what it comes to.
bool CodeReader::ends_thread(const PyFrame& frame, const Outcome& inner, const Root& root) {
  if (library_name(frame.code->file, minor_) != "threading.py") return false;
  const std::string& name = frame.code->function;
  if (name != "Thread.run" && name != "Thread._bootstrap_inner") return false;
  Activation nowhere;
  if (inner.raises) write_traceback();
  const Frames frames(objects_);
  const Object self = frames.local(frame, "self");
  // Those who join it wait for this lock, up to 3.12.
  const Object lock = self == 0 ? 0 : settled(self, "_tstate_lock");
  const std::uint64_t futex = is_exactly(lock, "_thread.lock") ? futex_of(objects_, lock) : 0;
  if (futex != 0)
    add_releases(kReleases | kFinishes, {lock, futex}, "ends");
  else
    add(kReleases | kFinishes, "ends");
  std::size_t budget = kMaxGivenUp;
  drop_object(nowhere, self, 0, budget);
  const Object locals = remote_.pointer(root.thread_state + code_layout(minor_).thread_dict);
  if (objects_.dict_size(locals).value_or(0) > 0)
    unknown(nowhere, "ends, and with it its thread-local data");
  return true;
}

void CodeReader::write_traceback() {
  Activation nowhere;
  const Object hook = module_global(objects_, modules_, "threading", "excepthook");
  if (!is_exactly(hook, "builtin_function_or_method") ||
      objects_.function_name(hook) != "_excepthook")
    return unknown(nowhere, "may end by an exception, for which there is a hook");
  const auto fd = descriptor_of_stream(module_global(objects_, modules_, "sys", "stderr"));
  if (!fd) return unknown(nowhere, "may end by an exception, and sys.stderr is no plain file");
  add(kWrites, fd, "may end with a traceback");
}

std::string CodeReader::library_file(std::string_view file) const {
  return library_name(file, minor_);
}

const KnownCall* CodeReader::summary_of(const PyFrame& frame) const {
  const std::string file = library_name(frame.code->file, minor_);
  return file.empty() ? nullptr : find_library(file, frame.code->function);
}

const KnownCall* CodeReader::library_call(const Routine& routine) const {
  const std::string file = library_name(routine.file, minor_);
  return file.empty() ? nullptr : find_library(file, routine.qualname);
}

std::shared_ptr<Routine> CodeReader::routine_at(Object code) {
  const auto known = routines_.find(code);
  if (known != routines_.end()) return known->second;
  const bool possible_here = is_readable_bytecode(minor_) && routines_.size() < kMaxRoutines;
  if (!possible_here || !is_exactly(code, "code")) return nullptr;
  const Layout& l = runtime_.layout;
  const CodeLayout& c = code_layout(minor_);
  auto out = std::make_shared<Routine>();
  out->code = code;
  const std::uint64_t size = 2 * remote_.word(code + 16);  // ob_size: code units
  const auto bytes = size > kMaxCode ? std::vector<std::uint8_t>()
                                     : remote_.bytes(code + l.code_instructions, size);
  const auto table = objects_.bytes(remote_.pointer(code + l.code_exception_table));
  if (bytes.empty() || !table) return nullptr;
  out->bytecode = decode(minor_, bytes, *table);
  out->constants = objects_.items(remote_.pointer(code + c.consts), kMaxNames);
  out->names = objects_.items(remote_.pointer(code + c.names), kMaxNames);
  out->locals = objects_.items(remote_.pointer(code + l.code_local_names), kMaxNames);
  out->flags = remote_.get<std::uint32_t>(code + c.flags);
  out->positional = remote_.get<std::uint32_t>(code + c.positional);
  out->keyword_only = remote_.get<std::uint32_t>(code + c.keyword_only);
  out->free = remote_.get<std::uint32_t>(code + c.free);
  out->file = objects_.string(remote_.pointer(code + l.code_filename)).value_or("");
  out->name = objects_.string(remote_.pointer(code + l.code_name), 256).value_or("");
  out->qualname = objects_.string(remote_.pointer(code + l.code_qualname), 256).value_or("");
  out->first_line = remote_.get<int>(code + l.code_first_line);
  out->line_table = objects_.bytes(remote_.pointer(code + l.code_line_table))
                        .value_or(std::vector<std::uint8_t>());
  const auto is_whole = [&](const std::vector<Object>& items, std::uint64_t member) {
    return objects_.length(remote_.pointer(code + member)) ==
           static_cast<std::int64_t>(items.size());
  };
  const bool whole = is_whole(out->constants, c.consts) && is_whole(out->names, c.names) &&
                     is_whole(out->locals, l.code_local_names);
  // Objects::key_name cuts longer names: two might look alike.
  constexpr std::size_t kLongName = 127;
  const auto is_long = [&](Object name) { return objects_.key_name(name).size() >= kLongName; };
  const bool distinct =
      std::ranges::none_of(out->names, is_long) && std::ranges::none_of(out->locals, is_long);
  const bool possible = whole && distinct && out->locals.size() < kMaxStack &&
                        out->free <= out->locals.size() &&
                        out->positional + std::uint64_t{out->keyword_only} <= out->locals.size();
  if (!possible) out = nullptr;
  routines_.emplace(code, out);
  return out;
}

CodeReader::Activation CodeReader::activation(std::shared_ptr<Routine> routine, Object globals,
                                              Object builtins) const {
  Activation act;
  act.routine = std::move(routine);
  act.globals = globals;
  act.builtins = builtins;
  return act;
}

// Where the innermost frame stands still in a call of a known function that may block, it is inside
// of that: the arguments are on the stack still, and the call is read as if it began. Anywhere else
// a finalizer may be at work, or the interpreter itself.
bool CodeReader::is_in_blocking_call(const Activation& act, const Instruction& at,
                                     const State& state) {
  const Instruction* call = &at;
  if (at.op == Op::Precall) call = act.routine->bytecode.starting(at.next);
  if (call == nullptr || (call->op != Op::Call && call->op != Op::CallKw)) return false;
  const std::size_t below = call->arg + (call->op == Op::CallKw ? 3U : 2U);
  if (state.stack.size() < below) return false;
  const Value& first = state.stack[state.stack.size() - below];
  const Value& second = state.stack[state.stack.size() - below + 1];
  const Value& callable = first.kind == Value::Kind::Null ? second : first;
  const KnownCall* known = callable.kind == Value::Kind::Native  ? callable.native
                           : callable.kind == Value::Kind::Const ? known_builtin(callable.object)
                                                                 : nullptr;
  return known != nullptr && !known->verb.empty();
}

// How deep the value stack is before each instruction: a walk from the start in which values do not
// matter.
bool CodeReader::fill_depths(Activation& act) {
  if (!act.routine->depths.empty()) return true;
  Activation dry = act;
  dry.only_depths = true;
  State state;
  state.locals.assign(act.routine->locals.size(), unknown_value(Level::Borrowed));
  const bool hypothesis = std::exchange(hypothesis_, false);
  (void)run(dry, 0, std::move(state));
  hypothesis_ = hypothesis;
  return !act.routine->depths.empty();
}

// The code of a function, or of the one behind a bound method or a partial; 0: of none of these.
Object CodeReader::code_called_by(Object callable) {
  for (int depth = 0; depth < 3; ++depth) {
    if (is_exactly(callable, "function")) return remote_.pointer(callable + 48);
    if (!is_exactly(callable, "method") && !is_exactly(callable, "functools.partial")) return 0;
    callable = remote_.pointer(callable + 16);
  }
  return 0;
}

// An iterator over a list or tuple that only the value stack has: at which of the items it is.
void CodeReader::follow_iterator(State& state) {
  Value& v = state.stack.back();
  const bool known = v.kind == Value::Kind::Const && (is_exactly(v.object, "list_iterator") ||
                                                      is_exactly(v.object, "tuple_iterator"));
  const auto same = [&](const Value& other) {
    return other.kind == Value::Kind::Const && other.object == v.object;
  };
  if (!known || std::ranges::any_of(state.locals, same)) return;
  // {it_index 16, it_seq 24} of Objects/listobject.c and tupleobject.c
  const auto index = remote_.get<std::int64_t>(v.object + 16);
  const auto parts = parts_of(constant(remote_.pointer(v.object + 24)));
  if (!parts || index < 0) return;
  v = builtin_value(BuiltinType::Iterator, Level::Borrowed);
  v.parts = std::make_shared<const std::vector<Value>>(*parts);
  v.number = index;
}

// What is in a list or tuple that a variable refers to is not given up with another variable that
// refers to it: whoever changes or gives up the list gives up its items (inside, drop_object).
void CodeReader::lend_items(const Activation& act, State& state) {
  std::set<Object> held;
  const auto items_of = [&](const Value& v) {
    const BuiltinType type = type_of(v);
    const bool listed =
        v.kind == Value::Kind::Const && (type == BuiltinType::List || type == BuiltinType::Tuple);
    return listed ? parts_of(v) : std::nullopt;
  };
  const auto hold = [&](const Value& v) {
    for (const Value& item : items_of(v).value_or(std::vector<Value>())) held.insert(item.object);
  };
  for (const Object name : act.routine->names) {
    const std::string text = objects_.key_name(name);
    const Object global = is_searchable(act.globals) ? objects_.entry(act.globals, text) : 0;
    if (global != 0 && !names_.contains(text)) hold(constant(global));
  }
  const auto is_held = [&](const Value& v) { return is_plain(v) || held.contains(v.object); };
  for (Value& v : state.locals) {
    const auto items = items_of(v);
    if (items && std::ranges::all_of(*items, is_held)) v.owned = false;
  }
  for (const Value& v : state.locals) hold(v);
  for (Value& v : state.locals)
    if (v.kind == Value::Kind::Const && held.contains(v.object)) v.owned = false;
}

// From 3.15 on a loop over these has no iterator: what it goes over is on the value stack, and the
// number of items that were taken above it.
void CodeReader::begin_iterator(Activation& act, Value& v, std::int64_t index) {
  if (type_of(v) == BuiltinType::Other || type_of(v) == BuiltinType::Iterator) return;
  Flow flow;
  v = iterator_of(act, v, flow);
  if (v.parts && index >= 0) v.number = index;
}

std::optional<CodeReader::Outcome> CodeReader::resume(const PyFrame& frame, const Outcome* inner,
                                                      Object inner_code) {
  const std::shared_ptr<Routine> routine = routine_at(frame.object);
  Activation act = activation(routine, frame.globals,
                              remote_.pointer(frame.address + runtime_.layout.frame_globals + 8));
  const auto fail = [&](const std::string& what) {
    unknown(act, what);
    return std::nullopt;
  };
  if (routine == nullptr) return fail("runs code that cannot be read");
  act.locals_are_globals =
      remote_.word(frame.address + runtime_.layout.frame_globals + 16) == frame.globals;
  const Instruction* at = routine->bytecode.covering(static_cast<std::uint32_t>(frame.offset / 2));
  act.at = at;
  if (at == nullptr || !fill_depths(act)) return fail("runs code that cannot be read");
  if (inner != nullptr && at->op == Op::Precall) at = routine->bytecode.starting(at->next);
  const auto depth = at == nullptr ? routine->depths.end() : routine->depths.find(at->at);
  if (depth == routine->depths.end()) return fail("is in an instruction that is not known");
  const Frames frames(objects_);
  State state;
  for (std::uint64_t i = 0; i < routine->locals.size(); ++i) {
    const Object object = frames.slot(frame.locals + 8 * i);
    state.locals.push_back(object == 0 ? null_value() : constant(object, true));
  }
  for (std::uint64_t i = 0; i < depth->second; ++i) {
    const std::uint64_t slot = frame.stack + 8 * i;
    if (const auto number = frames.number(slot)) {
      if (minor_ >= 15 && !state.stack.empty()) begin_iterator(act, state.stack.back(), *number);
      state.stack.push_back(builtin_value(BuiltinType::Int));
      continue;
    }
    const Object object = frames.slot(slot);
    state.stack.push_back(object == 0 ? null_value() : constant(object, true));
    if (hypothesis_) follow_iterator(state);
  }
  if (hypothesis_) lend_items(act, state);
  if (inner == nullptr) {
    // A method without its self, as the next round finds it (see bind).
    for (Value& v : state.stack) {
      if (v.kind != Value::Kind::Const || !is_exactly(v.object, "method_descriptor")) continue;
      const KnownCall* known = known_builtin(v.object);
      if (known == nullptr) continue;
      v = Value();
      v.kind = Value::Kind::Native;
      v.native = known;
    }
    // KW_NAMES comes right before PRECALL or CALL.
    const auto index = static_cast<std::size_t>(at - routine->bytecode.list.data());
    for (std::size_t back = 1; back <= 2 && back <= index; ++back) {
      const Instruction& before = routine->bytecode.list[index - back];
      if (before.op == Op::KwNames && before.arg < routine->constants.size())
        state.keyword_names = routine->constants[before.arg];
      if (before.op != Op::Precall) break;
    }
    if (!is_in_blocking_call(act, *at, state)) return fail("is in the middle of something");
    return run(act, at->at, std::move(state));
  }
  std::size_t popped = 0;
  if (at->op == Op::Call) popped = std::size_t{at->arg} + 2;
  if (at->op == Op::CallKw) popped = std::size_t{at->arg} + 3;
  if (at->op == Op::CallFunctionEx) popped = 3 + (minor_ >= 14 ? 1 : at->arg & 1);
  if (popped == 0 || popped > state.stack.size())
    return fail("is inside of an operator or attribute that runs code");
  if (inner_code != 0) {
    // C code is between the two: what it does after the return is known of a plain call only.
    const Value& first = state.stack[state.stack.size() - popped];
    const Value& second = state.stack[state.stack.size() - popped + 1];
    const Value& callable = first.kind == Value::Kind::Null ? second : first;
    const Object object = callable.kind == Value::Kind::Const ? callable.object : 0;
    if (object == 0 || code_called_by(object) != inner_code)
      return fail("returns into " + called(callable));
  }
  Outcome out;
  State after = state;
  after.stack.resize(after.stack.size() - popped);
  if (inner->raises) {
    if (const Cover* cover = routine->bytecode.handler(at->at);
        cover != nullptr && cover->depth <= after.stack.size()) {
      State caught = after;
      caught.stack.resize(cover->depth);
      if (cover->pushes_place) caught.stack.push_back(builtin_value(BuiltinType::Int));
      caught.stack.push_back(inner->raised);
      out = run(act, cover->target, std::move(caught));
    } else {
      out.raises = true;
      out.raised = inner->raised;
      act.at = at;
      for (const Value& v : after.stack) drop(act, v);
      leave(act, after);
    }
  }
  if (inner->returns && !is_over()) {
    after.stack.push_back(inner->result);
    const Outcome more = run(act, at->next, std::move(after));
    out.result = out.returns && more.returns ? join(out.result, more.result)
                 : more.returns              ? more.result
                                             : out.result;
    out.returns |= more.returns;
    if (more.raises) out.raised = out.raises ? join(out.raised, more.raised) : more.raised;
    out.raises |= more.raises;
  }
  return out;
}

CodeReader::Outcome CodeReader::run(Activation& act, std::uint32_t unit, State state) {
  Outcome out;
  // A loop over items that are known is followed from one to the next.
  using Place = std::pair<std::uint32_t, std::vector<std::int64_t>>;
  std::map<Place, State> states;
  std::set<Place> pending;
  const auto flow_to = [&](std::uint32_t unit_to, State&& s) {
    Place to{unit_to, {}};
    for (const Value& v : s.stack)
      if (type_of(v) == BuiltinType::Iterator && v.parts) to.second.push_back(v.number.value_or(0));
    const auto [it, is_new] = states.try_emplace(to);
    if (is_new) {
      it->second = std::move(s);
      pending.insert(to);
      return;
    }
    State& old = it->second;
    if (old.stack.size() != s.stack.size()) return unknown(act, "has a stack that does not fit");
    bool changed = false;
    const auto merge = [&](std::vector<Value>& into, const std::vector<Value>& from) {
      for (std::size_t i = 0; i < into.size(); ++i) {
        const Value joint = act.only_depths ? join(into[i], from[i]) : join_of(into[i], from[i]);
        if (joint == into[i]) continue;
        into[i] = joint;
        changed = true;
      }
    };
    merge(old.stack, s.stack);
    merge(old.locals, s.locals);
    if (changed) pending.insert(to);
  };
  const auto go_on = [&](const Instruction& i, const State& before, State& after, Flow& flow) {
    const Cover* cover = act.routine->bytecode.handler(i.at);
    if (act.only_depths && cover != nullptr && cover->depth <= before.stack.size())
      flow.raises = true;
    if (flow.raises && cover != nullptr) {
      if (cover->depth > before.stack.size()) {
        unknown(act, "has a stack that does not fit");
        return;
      }
      State caught = before;
      for (std::size_t n = cover->depth; n < caught.stack.size(); ++n) drop(act, caught.stack[n]);
      caught.stack.resize(cover->depth);
      if (cover->pushes_place) caught.stack.push_back(builtin_value(BuiltinType::Int));
      caught.stack.push_back(flow.raised);
      flow_to(cover->target, std::move(caught));
    } else if (flow.raises) {
      out.raised = out.raises ? join(out.raised, flow.raised) : flow.raised;
      out.raises = true;
      for (const Value& v : before.stack) drop(act, v);
      leave(act, before);
    }
    if (flow.returns) {
      out.result = out.returns ? join(out.result, flow.result) : flow.result;
      out.returns = true;
      leave(act, after);
    }
    if (flow.jump) flow_to(flow.target, std::move(*flow.jump));
    if (flow.falls) flow_to(i.next, std::move(after));
  };
  flow_to(unit, std::move(state));
  while (!pending.empty() && !(is_over() && !act.only_depths)) {
    const Place place = *pending.begin();
    const std::uint32_t at = place.first;
    pending.erase(pending.begin());
    const Instruction* i = act.routine->bytecode.starting(at);
    act.at = i;
    if (i == nullptr || budget_ == 0) {
      unknown(act, budget_ == 0 ? "runs much code" : "jumps out of its code");
      if (act.only_depths) continue;
      break;
    }
    --budget_;
    const State before = states[place];
    if (act.only_depths) act.routine->depths[at] = static_cast<std::uint32_t>(before.stack.size());
    State after = before;
    Flow flow = step(act, after, *i);
    if (is_over() && !act.only_depths) break;
    go_on(*i, before, after, flow);
  }
  return out;
}

// The variables of a function go with it.
void CodeReader::leave(const Activation& act, const State& state) {
  for (const Value& v : state.locals) drop(act, v);
}

void CodeReader::unknown(const Activation& act, const std::string& what) {
  if (act.only_depths) return;
  if ((effects_.mask & kUnknown) == 0) effects_.unknown = escape_untrusted(what + place(act));
  effects_.mask |= kUnknown;
  stopped_ = true;
}

void CodeReader::add(std::uint32_t effects, std::string_view verb) {
  constexpr std::uint32_t kOfDescriptors = snapshot::kReads | kWrites | snapshot::kCloses;
  if ((effects & kOfDescriptors) != 0) all_fds_known_ = false;
  if ((effects & snapshot::kReleases) != 0) all_woken_known_ = false;
  effects_.mask |= effects;
  const bool is_new = !verb.empty() && std::ranges::find(verbs_, verb) == verbs_.end();
  if (is_new && verbs_.size() < 4) verbs_.push_back(verb);
}

void CodeReader::add(std::uint32_t effects, std::optional<int> fd, std::string_view verb) {
  const bool all = all_fds_known_;
  add(effects, verb);
  if (!fd) return;
  all_fds_known_ = all;
  const auto at = std::ranges::lower_bound(effects_.fds, *fd);
  if (at == effects_.fds.end() || *at != *fd) effects_.fds.insert(at, *fd);
}

void CodeReader::add_releases(std::uint32_t effects, const std::vector<std::uint64_t>& woken,
                              std::string_view verb) {
  const bool all = all_woken_known_;
  add(effects, verb);
  all_woken_known_ = all;
  effects_.releases.insert(effects_.releases.end(), woken.begin(), woken.end());
}

std::string CodeReader::place(const Activation& act) const {
  if (act.routine == nullptr || act.at == nullptr) return {};
  const int line = line_in_locations(act.routine->line_table, act.routine->first_line,
                                     std::uint64_t{2} * act.at->at);
  return " at " + base_name(act.routine->file) + ":" + std::to_string(line);
}

std::string CodeReader::called(const Value& v) const {
  if (v.kind == Value::Kind::Native) return "`" + std::string(v.native->name) + "`";
  if (v.name != 0) return "`" + objects_.key_name(v.name) + "`";
  if (v.kind == Value::Kind::Const) {
    const std::string name = objects_.function_name(v.object);
    return name.empty() ? "a " + objects_.class_name(v.object) : "`" + name + "`";
  }
  return "something that is not known";
}

}  // namespace ipcdoctor::runtime::cpython
