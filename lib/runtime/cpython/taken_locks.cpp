#include "runtime/cpython/taken_locks.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <optional>

#include "runtime/cpython/bytecode.h"
#include "runtime/cpython/locks.h"

namespace ipcdoctor::runtime::cpython {
namespace {

constexpr std::size_t kMaxFramesRead = 32;
constexpr std::uint64_t kMaxUnits = 1 << 13;
constexpr std::uint64_t kNames = 32, kConstants = 24;  // PyCodeObject of 3.11 to 3.15

bool is_lock(std::string_view type) {
  return type == "threading.Lock" || type == "asyncio.Lock" || type == "asyncio.Semaphore" ||
         type.starts_with("multiprocessing.");
}

/// What an instruction leaves on the value stack, as far as it is followed: an object as it is now.
struct Value {
  Object object = 0;
  std::optional<std::int64_t> index;
};

struct Use {
  Object lock = 0;
  bool acquires = false;
  std::uint32_t call = 0;  ///< unit of the call
};

/// Reads one function's calls of acquire() and release(), in the order of its instructions.
class Reading {
 public:
  Reading(const PyFrame& frame, const Frames& reader, const Objects& objects, const Types& types)
      : frame_(frame), reader_(reader), objects_(objects), types_(types) {}

  const std::vector<Use>& uses(const Runtime& runtime) {
    const Remote& remote = objects_.remote();
    const Layout& l = runtime.layout;
    minor_ = l.minor;
    const std::uint64_t units = remote.word(objects_.member(frame_.object, 16));  // ob_size
    if (units > kMaxUnits) return uses_;
    const Bytecode code =
        decode(minor_, remote.bytes(frame_.object + l.code_instructions, 2 * units),
               frame_.code->exception_table);
    names_ = objects_.items(remote.pointer(objects_.member(frame_.object, kNames)));
    constants_ = objects_.items(remote.pointer(objects_.member(frame_.object, kConstants)));
    for (const Instruction& instruction : code.list) step(instruction);
    const Instruction* now = code.covering(static_cast<std::uint32_t>(frame_.offset / 2));
    now_ = now == nullptr ? 0 : now->at;
    return uses_;
  }

  /// The unit of the instruction in progress.
  std::uint32_t now() const { return now_; }

 private:
  void step(const Instruction& i) {
    switch (i.op) {
      case Op::Nop:
      case Op::PushNull:
      case Op::Precall:
      case Op::KwNames:
        return;
      case Op::LoadFast:
      case Op::LoadFastCheck:
      case Op::LoadDeref:
        return push({i.arg < frame_.code->locals.size() ? slot(i.arg) : 0, {}});
      case Op::LoadGlobal:
        return push({objects_.entry(frame_.globals, name(i.arg >> 1)), {}});
      case Op::LoadConst:
        return push(
            {0, i.arg < constants_.size() ? objects_.integer(constants_[i.arg]) : std::nullopt});
      case Op::LoadSmallInt:
        return push({0, i.arg});
      case Op::BinarySubscr:
        return subscript();
      case Op::LoadAttr:
      case Op::LoadMethod:
        return attribute(name(i.op == Op::LoadAttr && minor_ >= 12 ? i.arg >> 1 : i.arg));
      case Op::Call:
      case Op::CallKw:
        if (pending_) uses_.push_back({pending_->lock, pending_->acquires, i.at});
        pending_.reset();
        values_.clear();
        return;
      default:
        values_.clear();
    }
  }

  void push(Value value) { values_.push_back(value); }

  Object slot(std::uint32_t n) const {
    return objects_.through_cell(reader_.slot(frame_.locals + 8 * std::uint64_t{n}));
  }

  std::string name(std::uint32_t n) const {
    return n < names_.size() ? objects_.key_name(names_[n]) : std::string();
  }

  void subscript() {
    if (values_.size() < 2) return values_.clear();
    const Value key = values_.back();
    values_.pop_back();
    const std::vector<Object> items = objects_.items(values_.back().object);
    const auto size = static_cast<std::int64_t>(items.size());
    const std::int64_t at = key.index.value_or(size);
    const bool inside = at >= -size && at < size;
    values_.back() = {inside ? items[static_cast<std::size_t>(at < 0 ? at + size : at)] : 0, {}};
  }

  void attribute(const std::string& name) {
    if (values_.empty()) return;
    const Object of = values_.back().object;
    values_.pop_back();
    const bool acquires = name == "acquire";
    if ((acquires || name == "release") && of != 0 && is_lock(types_.of(of).name)) {
      pending_ = Use{of, acquires, 0};
      return;
    }
    push({objects_.attribute(of, name), {}});
  }

  const PyFrame& frame_;
  const Frames& reader_;
  const Objects& objects_;
  const Types& types_;
  int minor_ = 0;
  std::uint32_t now_ = 0;
  std::vector<Object> names_, constants_;
  std::vector<Value> values_;
  std::optional<Use> pending_;  ///< its method is loaded, the call comes
  std::vector<Use> uses_;
};

void add_taken(const std::vector<Use>& uses, std::uint32_t now, std::vector<Object>& taken) {
  for (std::size_t i = 0; i < uses.size(); ++i) {
    const auto is_same = [&](const Use& use) { return use.lock == uses[i].lock; };
    if (!uses[i].acquires || uses[i].call >= now) continue;
    const auto next = std::ranges::find_if(uses.begin() + static_cast<std::ptrdiff_t>(i) + 1,
                                           uses.end(), is_same);
    const bool given_back_before = next != uses.end() && next->call < now;
    const bool given_back_behind = std::ranges::any_of(
        uses, [&](const Use& use) { return is_same(use) && !use.acquires && use.call >= now; });
    if (!given_back_before && given_back_behind) taken.push_back(uses[i].lock);
  }
}

void drop_call_before(std::uint32_t now, std::vector<Use>& uses) {
  const auto behind = std::ranges::find_if(uses, [&](const Use& use) { return use.call >= now; });
  if (behind != uses.begin()) uses.erase(std::prev(behind));
}

/// Those that an ExitStack has entered and will leave: pairs with a bound exit method
/// (Lib/contextlib.py, _BaseExitStack._exit_callbacks).
void add_stacked(Object stack, const Objects& objects, const Types& types,
                 std::vector<Object>& taken) {
  constexpr std::size_t kMost = 64;
  for (const Object entry : objects.items(objects.attribute(stack, "_exit_callbacks"), kMost)) {
    const std::vector<Object> pair = objects.items(entry, 2);
    const Object lock = pair.size() == 2 ? objects.bound_self(pair[1]) : 0;
    if (lock != 0 && is_lock(types.of(lock).name)) taken.push_back(lock);
  }
}

/// Those of `async with`, which keeps a bound __aexit__ on the value stack; since 3.14 the function
/// and above it the object (LOAD_SPECIAL of Python/bytecodes.c). And those of the ExitStacks of any
/// `with`.
void add_entered(const std::vector<PyFrame>& frames, const Frames& reader, const Objects& objects,
                 const Types& types, std::vector<Object>& taken) {
  for (const PyFrame& f : frames) {
    for (std::uint32_t i = 0; i < f.live_stack; ++i) {
      const Object exit = reader.slot(f.stack + 8 * std::uint64_t{i});
      const std::string name = exit == 0 ? std::string() : objects.function_name(exit);
      if (name != "__aexit__" && name != "__exit__") continue;
      Object manager = objects.bound_self(exit);
      if (manager == 0 && i + 1 < f.live_stack)
        manager = reader.slot(f.stack + 8 * std::uint64_t{i + 1});
      if (manager == 0) continue;
      if (name == "__aexit__" && is_lock(types.of(manager).name)) taken.push_back(manager);
      add_stacked(manager, objects, types, taken);
    }
  }
}

}  // namespace

std::vector<Object> read_taken_locks(const std::vector<PyFrame>& frames, const Frames& reader,
                                     const Objects& objects, const Types& types,
                                     const Runtime& runtime) {
  std::vector<Object> taken;
  if (!is_readable_bytecode(runtime.layout.minor)) return taken;
  for (std::size_t n = 0; n < std::min(frames.size(), kMaxFramesRead); ++n) {
    if (frames[n].library) continue;
    Reading reading(frames[n], reader, objects, types);
    std::vector<Use> uses = reading.uses(runtime);
    // A coroutine's call is over when it awaits what that gave.
    const bool awaits = n > 0 && frames[n - 1].library && frames[n - 1].code->name == "acquire";
    if (awaits) drop_call_before(reading.now(), uses);
    add_taken(uses, reading.now(), taken);
  }
  std::erase_if(taken, [&](Object lock) {
    return types.is(lock, "threading.Lock") && is_locked(objects, lock) != true;
  });
  add_entered(frames, reader, objects, types, taken);
  return taken;
}

Object awaited_lock(const std::vector<PyFrame>& frames, const Frames& reader, const Types& types) {
  if (frames.empty() || !frames.front().library || frames.front().code->name != "acquire") return 0;
  const Object lock = reader.local(frames.front(), "self");
  return is_lock(types.of(lock).name) ? lock : 0;
}

std::size_t ring_of_tasks(Object lock, const std::vector<std::vector<PyFrame>>& tasks,
                          const Frames& reader, const Objects& objects, const Types& types,
                          const Runtime& runtime) {
  std::map<Object, Object> next;  // from a lock that a task holds to the one that it awaits
  for (const auto& frames : tasks) {
    const Object wanted = awaited_lock(frames, reader, types);
    if (wanted == 0) continue;
    for (const Object held : read_taken_locks(frames, reader, objects, types, runtime))
      next.emplace(held, wanted);
  }
  std::vector<Object> path;
  while (std::ranges::find(path, lock) == path.end()) {
    path.push_back(lock);
    const auto it = next.find(lock);
    if (it == next.end()) return 0;
    lock = it->second;
  }
  return static_cast<std::size_t>(path.end() - std::ranges::find(path, lock));
}

}  // namespace ipcdoctor::runtime::cpython
