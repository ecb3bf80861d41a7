#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "linux/address_space.h"
#include "runtime/cpython/bytecode.h"
#include "runtime/cpython/code_value.h"
#include "runtime/cpython/frames.h"
#include "runtime/cpython/known_calls.h"
#include "runtime/cpython/question.h"
#include "runtime/cpython/runtime_finder.h"
#include "snapshot/effects.h"

namespace ipcdoctor::runtime::cpython {

/// A code object as the reader of its instructions needs it.
struct Routine {
  Object code = 0;
  Bytecode bytecode;
  std::vector<Object> constants;
  std::vector<Object> names;   ///< str objects
  std::vector<Object> locals;  ///< names of localsplus: str objects
  std::uint32_t flags = 0;     ///< co_flags
  std::uint32_t positional = 0, keyword_only = 0, free = 0;
  std::string file, name, qualname;
  int first_line = 0;
  std::vector<std::uint8_t> line_table;
  std::map<std::uint32_t, std::uint32_t> depths;  ///< of the value stack, before an instruction
};

/// What the threads of a process that can go on by themselves, and its signal handlers, may do
/// next: an abstract interpretation of their bytecode (3.11 to 3.15). Nothing is executed.
///
/// Followed are all instructions that the control flow graph reaches, both sides of each branch,
/// the handlers of what may raise, and the functions that are called: those whose object is
/// found through locals, cells, globals, modules, instances and classes are followed in turn, those
/// of the interpreter are looked up in a table (known_calls). What is none of that is kUnknown.
/// A name or item that some code read here assigns is of unknown value; which values others assign
/// is not known, so the results hold only together: where one of the threads is kUnknown, all are,
/// unless it is a thread of the standard library's own, which gives no names new meanings, or one
/// that is not expected to go on.
///
/// Defined out, as no healthy program waits for it: MemoryError, KeyboardInterrupt and other
/// asynchronous exceptions, recursion too deep; numbers that overflow; finalizers that the
/// collector of cycles runs; tracers that are set later. Objects that are given up are followed to
/// their finalizers, as sockets and files close so.
class CodeReader {
 public:
  CodeReader(const Objects& objects, const Runtime& runtime, const linux::AddressSpace& space);

  /// Whether this version's bytecode is known, and nothing looks on: an audit hook would run code
  /// at any call, a tracer at any line.
  bool can_read(std::uint64_t thread_state);

  /// What a thread does once its call returns. frames: innermost first. is_alive: it goes on
  /// without anybody's help.
  void add_thread(std::uint64_t thread_state, std::vector<PyFrame> frames, bool is_main,
                  bool is_alive);
  /// The lock that the main thread waits for: a handler, which runs there, that takes it too goes
  /// no further before somebody releases it, which is what the thread itself waits for.
  void await_lock(Object lock) { awaited_lock_ = lock; }
  /// What the main thread's frames refer to stays as long as they do: another thread that gives it
  /// up is not the last. Whatever the main thread itself gives up counts as its own.
  void hold(std::vector<PyFrame> frames_of_main) { held_by_main_ = std::move(frames_of_main); }
  /// Whether the call in which a frame is stands in a loop, see bytecode.h.
  bool comes_back(const PyFrame& frame);
  /// What a Python signal handler does: any callable, called with two arguments.
  void add_handler(Object callable);
  /// What an event loop runs once a signal has come: with these arguments.
  void add_callback(Object callable, std::vector<Object> arguments);
  /// "on_term in app.py:9", as the target has it: unsafe to print.
  std::string name_of(Object callable);
  /// Whether it calls this function of the standard library: "asyncio/runners.py",
  /// "Runner._on_sigint".
  bool is_of_library(Object callable, std::string_view file, std::string_view qualname);

  /// Reads all that was added, until what one assigns changes nothing for another. In the order of
  /// the additions.
  std::vector<snapshot::Effects> read();

  /// Of each addition, whether it polls: read once more under the hypothesis that everything it
  /// asks for stays as it is, all branches that this decides are taken one way only. What then
  /// leaves no way out and does nothing goes on when one of the answers changes, or when another
  /// thread of the process changes the memory that it looks at. Attempts that are counted and times
  /// that are compared are ways out, as is all that may raise. Nothing is known where `may_poll`
  /// does not hold.
  std::vector<std::optional<Polling>> read_polling();

 private:
  struct State {
    std::vector<Value> stack, locals;
    Object keyword_names = 0;  ///< a tuple that KW_NAMES set for the next call
  };
  /// How a function may end.
  struct Outcome {
    bool returns = false, raises = false;
    Value result;
    Value raised = unknown_value(Level::Borrowed);
  };
  /// Who takes the items of a generator: any() and all() until one decides, others all of them.
  struct Consumer {
    std::optional<bool> stops_at;
    bool may_stop = false;
    Level items = Level::Plain;
  };
  /// A function in progress.
  struct Activation {
    std::shared_ptr<Routine> routine;
    Object globals = 0, builtins = 0;
    bool locals_are_globals = false;  ///< a module's own code
    Object closure = 0;               ///< tuple of cells
    std::vector<Value> cells;         ///< instead, of a function that was made here
    Consumer* consumer = nullptr;     ///< of what it yields
    bool only_depths = false;         ///< nothing counts but how deep the value stack is
    const Instruction* at = nullptr;
  };
  /// Where an instruction leads.
  struct Flow {
    bool falls = true, raises = false, returns = false;
    std::optional<State> jump;  ///< to the target
    std::uint32_t target = 0;
    Value result;
    Value raised = unknown_value(Level::Borrowed);
  };
  struct Root {
    std::uint64_t thread_state = 0;
    std::vector<PyFrame> frames;
    bool is_main = false;
    bool is_alive = false;
    bool may_rename = false;  ///< it is alive, and some of its frames are the program's
    Object handler = 0;
    std::optional<std::vector<Object>> arguments;  ///< of a handler; else a number and a frame
  };
  struct CallResult {
    Value value;
    bool returns = true, raises = false;
    Value raised = unknown_value(Level::Borrowed);
  };
  struct Attribute {
    Value value;
    Value self = null_value();  ///< of a method
    bool raises = false;
  };
  /// Found on a type or its bases.
  struct Found {
    Object object = 0;                  ///< 0 = not there
    const KnownCall* native = nullptr;  ///< instead: a static type's own
    bool blind = false;                 ///< a base whose names cannot be read may have it
  };
  struct TypeFacts {
    std::string name;
    bool is_static = false;  ///< of the interpreter's own images, and nobody can change it
    BuiltinType builtin = BuiltinType::Other;
    std::vector<Object> order;  ///< of resolution, itself first
  };

  // threads and functions
  snapshot::Effects read_root(const Root& root);
  void read_thread(const Root& root);
  void read_handler(const Root& root);
  bool asks_to_end(const Value& exception);
  bool ends_thread(const PyFrame& frame, const Outcome& inner, const Root& root);
  void write_traceback();
  std::optional<Outcome> resume(const PyFrame& frame, const Outcome* inner, Object inner_code);
  Object code_called_by(Object callable);
  void follow_iterator(State& state);
  void lend_items(const Activation& act, State& state);
  void begin_iterator(Activation& act, Value& v, std::int64_t index);
  bool is_in_blocking_call(const Activation& act, const Instruction& at, const State& state);
  const KnownCall* summary_of(const PyFrame& frame) const;
  const KnownCall* library_call(const Routine& routine) const;
  std::string library_file(std::string_view file) const;
  std::string library_file(const Routine& routine) const { return library_file(routine.file); }
  std::shared_ptr<Routine> routine_at(Object code);
  bool fill_depths(Activation& act);
  Outcome run(Activation& act, std::uint32_t unit, State state);
  void leave(const Activation& act, const State& state);
  Activation activation(std::shared_ptr<Routine> routine, Object globals, Object builtins) const;

  // instructions (code_step.cpp)
  Flow step(Activation& act, State& s, const Instruction& i);
  bool step_stack(Activation& act, State& s, const Instruction& i, Flow& flow);
  bool step_names(Activation& act, State& s, const Instruction& i, Flow& flow);
  bool step_build(Activation& act, State& s, const Instruction& i, Flow& flow);
  bool step_operators(Activation& act, State& s, const Instruction& i, Flow& flow);
  bool step_jumps(Activation& act, State& s, const Instruction& i, Flow& flow);
  bool step_calls(Activation& act, State& s, const Instruction& i, Flow& flow);
  bool step_exceptions(Activation& act, State& s, const Instruction& i, Flow& flow);
  Value binary(Activation& act, const Value& a, const Value& b, std::uint32_t op, Flow& flow);
  Value subscript(Activation& act, const Value& container, const Value& key, Flow& flow);
  void store_item(Activation& act, const Value& container, const Value& key, const Value& value);
  Value load_global(Activation& act, Object name, Flow& flow);
  Value iterator_of(Activation& act, const Value& v, Flow& flow);
  Value next_of(Activation& act, const Value& iterator, Flow& flow);
  void enter_with(Activation& act, State& s, Flow& flow);
  void load_special(Activation& act, State& s, std::uint32_t which, Flow& flow);
  Value common_constant(std::uint32_t which);
  Value small_int(std::uint32_t number);
  Value part_of(Activation& act, const Value& container, bool plain, Flow& flow);
  bool test(const Activation& act, const Value& v);
  bool is_never_got(const Value& lock) const;

  // attributes, types (code_attributes.cpp)
  Attribute load_attribute(Activation& act, const Value& v, Object name);
  Attribute attribute_of_module(Activation& act, const Value& v, Object name);
  Attribute attribute_of_class(Activation& act, const Value& v, Object name);
  Attribute attribute_of_instance(Activation& act, const Value& v, Object name);
  Attribute bind(Activation& act, const Found& found, const Value& self, Object owner, Object name);
  void store_attribute(Activation& act, const Value& v, Object name, const Value& value,
                       Flow& flow);
  Found find_on_type(Object type, const std::string& name);
  const TypeFacts& facts_of(Object type);
  bool is_trusted(std::uint64_t address) const;
  bool is_exactly(Object object, std::string_view type_name);
  const KnownCall* known_builtin(Object callable);
  Value constant(Object object, bool owned = false);
  std::optional<Value> as_bound(const Value& v);
  Value join_of(const Value& a, const Value& b);
  Value read_name(Object name, Object current);
  void write_name(const Activation& act, Object name, Object current, const Value& value);
  Level inside(const Value& container);
  Level level_inside(Object container, int depth);
  bool is_searchable(Object dict);  ///< a dict that is small enough to miss nothing
  bool keys_are_plain(const Value& dict);
  bool is_plain_lock(const Value& v);
  bool is_harmless(const Value& v);  ///< Plain, or a container of such
  void drop(const Activation& act, const Value& v);
  void drop_object(const Activation& act, Object object, int depth, std::size_t& budget);
  bool is_held(Object object);
  void hold(Object object, int depth, std::size_t& budget);

  // calls (code_calls.cpp)
  CallResult call(Activation& act, const Value& callable, std::vector<Value> args, Object names);
  CallResult call_known(Activation& act, const KnownCall& known, const std::vector<Value>& args,
                        Object names);
  CallResult call_function(Activation& act, Object function, std::vector<Value> args, Object names);
  CallResult call_made(Activation& act, const Value& function, std::vector<Value> args);
  CallResult call_type(Activation& act, Object type, const std::vector<Value>& args, Object names);
  bool bind_arguments(const Routine& routine, Object function, std::vector<Value>& args,
                      const std::vector<std::string>& names, State& state);
  Value given(const KnownCall& known, const std::vector<Value>& args);
  bool is_library_queue(const Value& self);
  bool is_own_child(const Value& process);
  std::optional<std::vector<std::uint64_t>> woken_by(const KnownCall& known,
                                                     const std::vector<Value>& args);
  std::optional<int> descriptor_of_stream(Object stream);

  // questions (code_questions.cpp)
  using Arguments = std::function<Value(std::string_view)>;
  std::optional<CallResult> ask(const Routine& routine, const Arguments& argument);
  std::optional<CallResult> ask_called(const Routine& routine, Object function,
                                       std::vector<Value> args, Object names);
  std::optional<CallResult> ask_process(std::string_view function, const Arguments& argument);
  std::optional<CallResult> ask_popen(std::string_view function, const Arguments& argument);
  std::optional<CallResult> ask_queue(std::string_view function, const Arguments& argument);
  std::optional<CallResult> ask_connection(std::string_view function, const Arguments& argument);
  std::optional<CallResult> ask_event(std::string_view function, const Arguments& argument);
  std::optional<CallResult> ask_thread(std::string_view function, const Arguments& argument);
  std::optional<CallResult> ask_thread_queue(std::string_view function, const Arguments& argument);
  std::optional<CallResult> ask_native(const KnownCall& known, const std::vector<Value>& args,
                                       Object names);
  Value exception_type(const char* name, const char* module = "builtins");
  CallResult raise_of(const char* module, const char* name);
  std::optional<int> descriptor_of(const Value& v);
  void note(Question::Kind kind, std::int64_t number = 0, std::uint64_t address = 0);
  bool runs_in_library(const std::vector<PyFrame>& frames, std::size_t end) const;
  CallResult consume(Activation& act, const Value& generator, Consumer& consumer);
  std::optional<CallResult> take_all(Activation& act, const KnownCall& known,
                                     const std::vector<Value>& args);
  Object settled(Object object, const char* name) const;
  bool is_false(Object object) const;
  bool is_method_of(Object object, const char* method, std::string_view file,
                    std::string_view qualname);
  std::optional<std::uint64_t> semaphore_of(Object lock);
  bool is_of_another_thread(Object rlock) const;
  std::optional<std::int64_t> number_of(const Value& v) const;
  std::optional<bool> truth_of(const Value& v);
  std::optional<bool> is_none(const Value& v) const;
  std::optional<bool> are_equal(const Value& a, const Value& b);
  std::optional<std::int64_t> compare(const Value& a, const Value& b, std::uint32_t op);
  Value raised_by(const Value& v);
  bool is_same_number(const Value& a, const Value& b) const {
    const auto number = number_of(a);
    return number && a.kind != Value::Kind::Const && type_of(a) == type_of(b) &&
           number_of(b) == number;
  }
  std::optional<bool> is_instance(const Value& exception, const Value& type);
  std::optional<std::vector<Value>> parts_of(const Value& v);
  std::optional<std::vector<Value>> few_items_of(const Value& v);
  bool is_changed(Object container) const {
    return written_.contains(container) || removed_.contains(container);
  }

  // logging (code_logging.cpp)
  std::optional<CallResult> call_logging(Activation& act, const Routine& routine,
                                         const std::vector<Value>& args, Object names);
  std::optional<std::vector<int>> descriptors_of_logging(const Value& logger);
  bool is_of_logging(Object object, const char* method);
  bool is_below_level(const Value& logger, std::string_view function);
  bool has_no_filters(Object object);
  bool formats_plainly(Object handler);

  void unknown(const Activation& act, const std::string& what);
  void add(std::uint32_t effects, std::string_view verb = {});
  void add(std::uint32_t effects, std::optional<int> fd, std::string_view verb);
  void add_releases(std::uint32_t effects, const std::vector<std::uint64_t>& woken,
                    std::string_view verb);
  std::string called(const Value& v) const;
  std::string place(const Activation& act) const;
  bool is_over() const { return stopped_; }
  /// A write that fails ends a program from outside: in a loop that waits, or if somebody sends a
  /// signal, that is not what helps.
  bool writes_succeed() const { return hypothesis_ || ident_ == 0; }

  const Objects& objects_;
  const Runtime& runtime_;
  const linux::AddressSpace& space_;
  const Remote& remote_;
  const int minor_;
  Object modules_ = 0;
  std::optional<bool> is_audited_;  ///< by C code
  std::optional<Object> zero_;      ///< the int; the small ones follow it
  std::vector<std::pair<std::uint64_t, std::uint64_t>> images_;
  std::unordered_map<Object, std::shared_ptr<Routine>> routines_;
  std::unordered_map<Object, TypeFacts> types_;
  std::vector<Root> roots_;
  Object awaited_lock_ = 0;
  std::vector<PyFrame> held_by_main_;

  // Objects that stay whatever the code read here gives up; as of that many assignments.
  std::set<Object> held_;
  std::optional<std::size_t> held_as_of_;
  bool reads_main_ = false;  ///< the main thread is being read

  // What the code read here assigns, wherever: by name, and to items of any container.
  std::map<std::string, Value> names_;
  std::optional<Value> items_;
  bool assigned_ = false;               ///< one of them became less known in this round
  bool new_dict_written_ = false;       ///< into a container that this code made
  std::set<Object> namespaces_;         ///< dicts that names were found in
  std::set<Object> written_, removed_;  ///< containers that items are assigned to, or taken from

  // under the hypothesis that what is asked for stays as it is
  bool hypothesis_ = false;
  std::vector<Question> questions_;
  bool all_woken_known_ = true;
  std::uint64_t ident_ = 0;     ///< of the thread that is read; 0: of a handler
  bool asks_too_much_ = false;  ///< some are missing in questions_

  // of the root that is being read
  snapshot::Effects effects_;
  bool all_fds_known_ = true;
  bool stopped_ = false;
  std::vector<std::string_view> verbs_;
  std::vector<Object> callers_;  ///< functions that are being followed
  std::size_t budget_ = 0;
};

}  // namespace ipcdoctor::runtime::cpython
