#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "runtime/native/disassembler.h"
#include "runtime/native/program.h"
#include "runtime/native/value.h"
#include "snapshot/effects.h"
#include "unwind/unwinder.h"

namespace ipcdoctor::runtime::native {

/// Follows code along all its ways, without running it: direct jumps and calls, those through
/// pointers that the linker filled, tables of jumps whose index was compared before. The state of
/// the registers is what must hold on every way to a place. Functions and callers keep to the
/// System V ABI (x86-64 psABI, 3.2); memory that is damaged is not thought of.
class Walk {
 public:
  struct Thread {
    bool is_leader = false;
    bool is_alone = false;       ///< no other thread of its process lives
    long call = -1;              ///< the system call that it is blocked in
    std::uint64_t argument = 0;  ///< the first of that call
  };

  /// @param budget  instructions; what is left is the caller's to use again
  Walk(Program& program, Disassembler& disassembler, std::size_t& budget)
      : program_(program), disassembler_(disassembler), budget_(budget) {}

  /// From where each frame goes on, up to the end of the thread.
  snapshot::Effects read_thread(const unwind::RawStack& stack, const Thread& thread);
  /// From the begin of a handler of a signal to its return. One that only ends its process has
  /// kExits alone of what it does from there on.
  snapshot::Effects read_function(std::uint64_t address);
  /// Where the code that was read writes, but for its own stack and what the C library writes for
  /// it; nullopt: not known.
  std::optional<std::vector<std::pair<std::uint64_t, std::uint64_t>>> written() const;
  /// Whether it posts, unlocks or signals what lies there, on some way that was read.
  bool releases(std::uint64_t address) const;

 private:
  static constexpr std::size_t kRegisters = 16;
  struct Comparison {
    std::size_t reg = 0;
    unsigned bits = 0;
    std::uint64_t with = 0;
    friend bool operator==(const Comparison&, const Comparison&) = default;
  };
  struct State {
    std::array<Value, kRegisters> registers;
    std::optional<Comparison> compared;  ///< by the last instruction that set the flags
    std::uint64_t frame_begin = 0;       ///< of a frame of the stack: where its distances begin
    int joins = 0;
  };
  /// A call of a function that goes on behind it once that returns.
  struct Site {
    std::size_t function = 0;
    std::uint64_t next = 0;
    State state;
  };
  /// One function that was entered, or what is left of one of a frame.
  struct Function {
    std::optional<std::size_t> frame;  ///< it is that one of the stack
    bool returns = false;
    Value result;
    std::unordered_map<std::uint64_t, State> states;  ///< at the begin of blocks
    std::map<std::pair<std::size_t, std::uint64_t>, Site> callers;
  };
  struct Block {
    std::size_t function;
    std::uint64_t address;
  };

  snapshot::Effects finish();
  void run();
  void run_block(const Block& block);
  void start_frame(std::size_t index, const Value& result);
  bool is_base(std::size_t index);
  void reach_base();
  bool cover_library_calls();
  void finish_call();

  /// One instruction. false: the way ends here.
  bool step(std::size_t function, State& state, const Instruction& at);
  const Known* known_behind(std::uint64_t target);
  bool step_call(std::size_t function, State& state, const Instruction& at);
  bool step_jump(std::size_t function, State& state, const Instruction& at);
  void step_branch(std::size_t function, State& state, const Instruction& at);
  bool step_system_call(State& state, const Instruction& at);
  void step_data(std::size_t function, State& state, const Instruction& at);
  void note_stores(const State& state, const Instruction& at);
  void note_pointer(const State& state, const Value& value);
  void note_arguments(const State& state);
  void return_from(std::size_t function, const Value& result);
  void go(std::size_t function, std::uint64_t address, State state);
  /// Enters the function at `target` from a call. nullopt: it does not return, or not yet.
  std::optional<Value> enter(std::size_t function, std::uint64_t target, std::uint64_t next,
                             const State& state);

  struct Targets {
    std::vector<std::uint64_t> addresses;  ///< empty: not known
    const Known* known = nullptr;          ///< all of them are this function of the C library
  };
  Targets targets_of(const State& state, const Instruction& at);
  Value load(const State& state, const Instruction& at, const Operand& operand, bool sign);
  Value value_of(const State& state, const Instruction& at, const Operand& operand, bool sign);
  std::vector<std::uint64_t> addresses_of(const State& state, const Instruction& at,
                                          const Operand& operand);
  void set(State& state, const Operand& operand, Value value);

  enum class By { Function, SystemCall };
  /// @return its result; nullopt: it does not return.
  std::optional<Value> apply(const Known& known, const State& state, By by, std::uint64_t address);
  void add(std::uint32_t mask, std::string_view words);
  void add_descriptor(const Value& value);
  void add_woken(const Value& value);
  void add_unknown(const std::string& what, std::uint64_t address);

  Program& program_;
  Disassembler& disassembler_;
  std::size_t& budget_;
  const unwind::RawStack* stack_ = nullptr;
  Thread thread_;
  bool in_cancellation_point_ = false;
  std::deque<Function> functions_;
  std::unordered_map<std::uint64_t, std::size_t> by_entry_;
  std::vector<std::optional<std::size_t>> frame_functions_;
  std::vector<Block> todo_;

  std::uint32_t mask_ = 0;
  std::vector<std::string> words_;
  struct Variable {
    std::uint64_t begin, bytes;
    std::uint64_t more = 0;  ///< that is added to its value
    friend auto operator<=>(const Variable&, const Variable&) = default;
  };
  using Variables = std::set<Variable>;
  std::optional<std::vector<std::uint64_t>> numbers_of(const Variables& variables) const;

  std::set<int> descriptors_;
  Variables descriptor_variables_;  ///< that hold others
  bool other_descriptors_ = false;
  std::set<std::uint64_t> woken_;
  Variables woken_variables_;
  bool other_woken_ = false;
  bool changes_memory_ = false;
  std::set<std::pair<std::uint64_t, std::uint64_t>> written_;  ///< begin, bytes
  bool other_written_ = false;
  std::string unknown_;
};

}  // namespace ipcdoctor::runtime::native
