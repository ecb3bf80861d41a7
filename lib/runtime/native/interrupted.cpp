#include "runtime/native/interrupted.h"

#include <capstone/x86.h>
#include <sys/socket.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <climits>
#include <map>
#include <optional>
#include <set>
#include <string_view>

#include "snapshot/effects.h"

namespace ipcdoctor::runtime::native {
namespace {

constexpr std::size_t kMaxWays = 64;
constexpr std::uint32_t kLostInCalls = 1U << kRax | 1U << kRcx | 1U << kRdx | 1U << kRsi |
                                       1U << kRdi | 1U << kR8 | 1U << 9 | 1U << 10 | 1U << 11;
/// All that a way to the end of the process must not do.
constexpr std::uint32_t kNoEnd = snapshot::kForks | snapshot::kUnknown | snapshot::kRaises |
                                 snapshot::kReleases | snapshot::kReads | snapshot::kWrites |
                                 snapshot::kSignals;
/// But for these, where it is known of which descriptor.
constexpr std::uint32_t kOfData = snapshot::kReads | snapshot::kWrites;

/// Functions that return -1 and EINTR, and which of their arguments are the system call's.
struct Waiting {
  std::string_view name;
  unsigned same = 0;  ///< bit i: argument i says what it waits for, or for how long
  int memory = -1;    ///< the argument that points to what it waits for: not what it puts there
  int count = -1;     ///< the argument that is the number of its members; -1: it is `sets`
  unsigned size = 0;  ///< of a member, bytes
  int sets = 1;
  std::string_view within = {};  ///< the function of the library that blocks for it; "": itself
};
constexpr Waiting kWaiting[] = {
    {"semop", 0b111, 1, 2, 6, 1, "semtimedop"},
    {"semtimedop", 0b1111, 1, 2, 6},
    {"msgsnd", 0b1111},
    {"msgrcv", 0b11111},
    {"epoll_wait", 0b1111},
    {"epoll_pwait", 0b1111},
    {"poll", 0b111, 0, 1, 8},
    {"ppoll", 0b111, 0, 1, 8},
    {"select", 0b11111, 1, -1, 128, 3},
    {"pselect", 0b11111, 1, -1, 128, 3},
    {"read", 0b111},
    {"write", 0b111},
    {"readv", 0b111},
    {"recv", 0b1111},
    {"recvfrom", 0b1111},
    {"recvmsg", 0b111},
    {"accept", 0b111},
    {"accept4", 0b1111},
    {"wait", 0, -1, -1, 0, 1, "wait4"},
    {"waitpid", 0b101, -1, -1, 0, 1, "wait4"},
    {"wait4", 0b101},
    {"waitid", 0b1011},
    {"flock", 0b11},
    {"fcntl", 0b111, 2, -1, 32},
    {"mq_receive", 0b111},
    {"mq_send", 0b1111},
    {"sendto", 0b11111},
    {"sem_wait", 0b1},
};

const Waiting* find_waiting(const Known* known) {
  if (known == nullptr) return nullptr;
  const auto it = std::ranges::find(kWaiting, known->name, &Waiting::name);
  return it == std::end(kWaiting) ? nullptr : it;
}

/// It may wait elsewhere, for something else; a sleep ends.
bool may_wait(const Known& known) {
  constexpr std::array<std::string_view, 4> kWords = {"waits", "polls", "joins", "locks"};
  return find_waiting(&known) != nullptr || std::ranges::any_of(kWords, [&](std::string_view w) {
           return known.words.starts_with(w);
         });
}

struct Number {
  bool known = false;
  std::uint64_t value = 0;
  bool is(std::uint64_t other) const { return known && value == other; }
};

std::uint64_t mask_of(unsigned bytes) {
  return bytes >= 8 ? ~std::uint64_t{0} : (std::uint64_t{1} << bytes * 8) - 1;
}

struct Flags {
  bool known = false, zero = false, sign = false, carry = false, overflow = false;
};

/// Whether a condition of the processor holds: "Intel 64 and IA-32 Architectures", vol. 1,
/// appendix B, by the four bits of the condition in the opcode.
std::optional<bool> holds(unsigned condition, const Flags& f) {
  if (!f.known) return std::nullopt;
  bool value = false;
  switch (condition >> 1) {
    case 0:
      value = f.overflow;
      break;
    case 1:
      value = f.carry;
      break;
    case 2:
      value = f.zero;
      break;
    case 3:
      value = f.carry || f.zero;
      break;
    case 4:
      value = f.sign;
      break;
    case 6:
      value = f.sign != f.overflow;
      break;
    case 7:
      value = f.zero || f.sign != f.overflow;
      break;
    default:
      return std::nullopt;  // parity
  }
  return value != ((condition & 1) != 0);
}

/// Strings: how much they write is in a register.
bool writes_many(const Instruction& at) {
  switch (at.id) {
    case X86_INS_STOSB:
    case X86_INS_STOSW:
    case X86_INS_STOSD:
    case X86_INS_STOSQ:
    case X86_INS_MOVSB:
    case X86_INS_MOVSW:
    case X86_INS_MOVSD:  // also a move of the vector unit
    case X86_INS_MOVSQ:
      return true;
    default:
      return false;
  }
}

/// The four bits of the condition of a jcc, setcc or cmovcc; nullopt: it is none.
std::optional<unsigned> condition_of(std::span<const std::uint8_t> code) {
  std::size_t i = 0;
  while (i < code.size() && (code[i] == 0x2e || code[i] == 0x3e || code[i] == 0x66 ||
                             code[i] == 0xf2 || (code[i] & 0xf0) == 0x40))
    ++i;
  if (i < code.size() && (code[i] & 0xf0) == 0x70) return code[i] & 0xfU;
  if (i + 1 >= code.size() || code[i] != 0x0f) return std::nullopt;
  const unsigned high = code[i + 1] & 0xf0U;
  if (high == 0x80 || high == 0x90 || high == 0x40) return code[i + 1] & 0xfU;
  return std::nullopt;
}

class Run {
 public:
  Run(Program& program, Disassembler& disassembler, const unwind::RawStack& stack,
      const std::array<std::uint64_t, 6>& arguments, const Written& written, bool leads,
      std::size_t& budget)
      : program_(program),
        disassembler_(disassembler),
        stack_(stack),
        arguments_(arguments),
        written_(written),
        leads_(leads),
        budget_(budget) {}

  Interrupted read() {
    if (!begin()) return {};
    Interrupted all{Outcome::WaitsAgain, 0, {}};
    for (std::size_t ways = 0; !todo_.empty(); ++ways) {
      if (ways == kMaxWays) return {};
      Way way = std::move(todo_.back());
      todo_.pop_back();
      const Outcome found = follow(way);
      if (found == Outcome::Unknown) return {};
      if (found == Outcome::Ends) all.outcome = found;
      all.mask |= way.mask;
      all.fds.merge(way.fds);
    }
    return all;
  }

 private:
  struct Way {
    std::array<Number, 16> registers;
    std::map<std::uint64_t, Number> memory;  ///< bytes that were written on this way
    Flags flags;
    std::uint64_t pc = 0;
    std::uint32_t done = 0;  ///< effects of what was called, but for those of `mask` on `fds`
    std::uint32_t mask = 0;
    std::set<int> fds;
    bool waits = false;  ///< what was called may wait for something else
  };

  /// The innermost frames that are the library's become one call that failed.
  bool begin() {
    const auto& frames = stack_.frames;
    const auto is_library = [&](std::uint64_t pc) {
      const Linkage* linkage = program_.linkage_at(pc);
      return linkage != nullptr && linkage->kind == Linkage::Kind::CLibrary;
    };
    std::size_t i = 0;
    while (i < frames.size() && !frames[i].guessed && is_library(frames[i].pc - (i == 0 ? 0 : 1)))
      ++i;
    if (i == 0 || i >= frames.size() || frames[i].guessed) return false;
    const Known* known = program_.known_around(frames[i - 1].pc - (i == 1 ? 0 : 1));
    waiting_ = find_waiting(known != nullptr ? known : program_.known_called_at(frames[i].pc));
    if (waiting_ == nullptr || may_end_in_part()) return false;
    frame_ = i;
    const unwind::RawFrame& frame = frames[i];
    Way way;
    way.pc = frame.pc;
    const auto set = [&](int reg, std::optional<std::uint64_t> value) {
      if (value) way.registers[static_cast<std::size_t>(reg)] = {true, *value};
    };
    set(kRax, ~std::uint64_t{0});
    set(kRsp, frame.sp);
    set(kRbx, frame.registers.rbx);
    set(kRbp, frame.registers.rbp);
    set(12, frame.registers.r12);
    set(13, frame.registers.r13);
    set(14, frame.registers.r14);
    set(15, frame.registers.r15);
    write(way, kErrnoAddress, 4, {true, EINTR});
    todo_.push_back(std::move(way));
    return true;
  }

  /// Who has done a part before a signal comes returns how much, not -1: pipe(7), recv(2).
  bool may_end_in_part() const {
    if (waiting_->name == "write") return arguments_[2] > PIPE_BUF;
    if (waiting_->name == "sendto") return arguments_[4] == 0;  // a datagram has an address
    return waiting_->name.starts_with("recv") &&
           (arguments_[waiting_->name == "recvmsg" ? 2 : 3] & MSG_WAITALL) != 0;
  }

  Outcome follow(Way& way) {
    while (budget_ > 0) {
      --budget_;
      if (const auto end = arrive(way)) return *end;
      const auto code = program_.code_at(way.pc);
      if (code.empty()) break;
      const auto at = disassembler_.decode(code, way.pc);
      if (!at) break;
      if (const auto end = step(way, *at, code.first(at->size))) return *end;
    }
    return Outcome::Unknown;
  }

  /// At a function of the library, or behind the last frame of the program.
  std::optional<Outcome> arrive(Way& way) {
    const Known* known = program_.known_at(way.pc);
    if (known != nullptr) return call(way, *known);
    const Linkage* linkage = program_.linkage_at(way.pc);
    if (linkage == nullptr || linkage->kind != Linkage::Kind::CLibrary) return std::nullopt;
    // main() returned
    const auto& frames = stack_.frames;
    const bool returned =
        std::any_of(frames.begin() + static_cast<std::ptrdiff_t>(frame_), frames.end(),
                    [&](const unwind::RawFrame& frame) { return frame.pc == way.pc; });
    return returned && leads_ && (way.done & kNoEnd) == 0 ? Outcome::Ends : Outcome::Unknown;
  }

  /// A function whose effects are known is called; its return address is on the stack.
  std::optional<Outcome> call(Way& way, const Known& known) {
    const unwind::RawFrame& frame = stack_.frames[frame_];
    const Number& sp = way.registers[kRsp];
    if (sp.known && sp.value + 8 == frame.sp && read(way, sp.value, 8).is(frame.pc))
      return way.done == 0 && !way.waits && is_same_wait(way, known) ? Outcome::WaitsAgain
                                                                     : Outcome::Unknown;
    const bool only_data = (known.mask & ~kOfData) == 0;
    if (const auto fd = only_data ? descriptor_of(way, known) : std::nullopt) {
      way.mask |= known.mask;
      way.fds.insert(*fd);
    } else {
      way.done |= known.mask;
    }
    way.waits = way.waits || may_wait(known);
    if (!known.returns) {
      const bool ends = (known.mask & snapshot::kExits) != 0 &&
                        (way.done & (kNoEnd & ~std::uint32_t{snapshot::kUnknown})) == 0;
      return ends ? Outcome::Ends : Outcome::Unknown;
    }
    if ((way.done & kNoEnd) != 0) return Outcome::Unknown;
    for (std::size_t i = 0; i < way.registers.size(); ++i)
      if ((kLostInCalls >> i & 1) != 0) way.registers[i] = {};
    if (known.name == "errno_location") way.registers[kRax] = {true, kErrnoAddress};
    way.flags.known = false;
    return go_back(way);
  }

  static Number argument(const Way& way, int i) {
    const int reg = kFunctionArguments[static_cast<std::size_t>(i)];
    return way.registers[static_cast<std::size_t>(reg)];
  }

  /// Where a function reads from or writes to.
  std::optional<int> descriptor_of(const Way& way, const Known& known) {
    const bool of_stream = known.stream != Known::kNoStream;
    const int which = of_stream ? std::max(known.stream, 0) : known.descriptor;
    if (which < 0) return std::nullopt;
    const Number number = argument(way, which);
    std::optional<std::uint64_t> fd = number.known ? std::optional(number.value) : std::nullopt;
    if (of_stream) fd = program_.descriptor_of(known, fd);
    return fd ? std::optional(static_cast<int>(static_cast<std::uint32_t>(*fd))) : std::nullopt;
  }

  std::optional<Outcome> go_back(Way& way) {
    const Number& sp = way.registers[kRsp];
    const Number to = sp.known ? read(way, sp.value, 8) : Number{};
    if (!to.known) return Outcome::Unknown;
    way.registers[kRsp].value += 8;
    way.pc = to.value;
    return std::nullopt;
  }

  /// Whether the function that is called where the blocked one was waits for what that waits for.
  bool is_same_wait(const Way& way, const Known& known) {
    const Waiting* called = find_waiting(&known);
    if (called == nullptr) return false;
    // wait(3) is wait4(2) for any child
    if (called->same == 0) return static_cast<int>(arguments_[0]) == -1 && arguments_[2] == 0;
    if (called != waiting_ && called->within != waiting_->name) return false;
    for (int i = 0; (called->same >> i) != 0; ++i) {
      if ((called->same >> i & 1) == 0) continue;
      const Number now = argument(way, i);
      const std::uint64_t then = arguments_[static_cast<std::size_t>(i)];
      const auto is_int = [](std::uint64_t value) {  // what is above it is not defined
        return value >> 31 == 0 || value >> 31 == 1 || value >> 31 == 0x1'ffff'ffff;
      };
      const bool same = is_int(now.value) && is_int(then) ? static_cast<std::uint32_t>(now.value) ==
                                                                static_cast<std::uint32_t>(then)
                                                          : now.value == then;
      if (!now.known || !same) return false;
    }
    if (called->memory < 0) return true;
    const auto is_as_it_was = [&](std::uint64_t begin, std::uint64_t bytes) {
      for (auto it = way.memory.lower_bound(begin);
           it != way.memory.end() && it->first < begin + bytes; ++it) {
        const auto real = program_.space().memory.read_object<std::uint8_t>(RemoteAddr{it->first});
        const bool result = called->size == 8 && (it->first - begin) % 8 >= 6;  // pollfd::revents
        if (!result && (!it->second.known || !real || *real != it->second.value)) return false;
      }
      return !may_be_written(begin, bytes);
    };
    if (called->count >= 0)
      return is_as_it_was(argument(way, called->memory).value,
                          (argument(way, called->count).value & 0xffff) * called->size);
    for (int set = called->memory; set < called->memory + called->sets; ++set)
      if (!is_as_it_was(argument(way, set).value, called->size)) return false;
    return true;
  }

  // ---- memory

  /// By the handler.
  bool may_be_written(std::uint64_t begin, std::uint64_t bytes) const {
    return std::ranges::any_of(written_, [&](const auto& changed) {
      return changed.first < begin + bytes && begin < changed.first + changed.second;
    });
  }

  Number read(const Way& way, std::uint64_t address, unsigned bytes) const {
    Number all{true, 0};
    std::uint64_t real = 0;
    bool was_read = false;
    for (unsigned i = 0; i < bytes; ++i) {
      const auto it = way.memory.find(address + i);
      std::uint64_t byte = 0;
      if (it != way.memory.end()) {
        if (!it->second.known) return {};
        byte = it->second.value;
      } else {
        if (may_be_written(address + i, 1)) return {};
        if (!was_read) {
          std::array<std::byte, 8> now{};
          if (!program_.space().memory.read(RemoteAddr{address}, std::span(now).first(bytes)))
            return {};
          real = std::bit_cast<std::uint64_t>(now);
          was_read = true;
        }
        byte = real >> i * 8 & 0xff;
      }
      all.value |= byte << i * 8;
    }
    return all;
  }

  static void write(Way& way, std::uint64_t address, unsigned bytes, Number number) {
    for (unsigned i = 0; i < bytes; ++i)
      way.memory[address + i] = {number.known, number.value >> i * 8 & 0xff};
  }

  std::optional<std::uint64_t> address_of(const Way& way, const Instruction& at,
                                          const Operand& operand) const {
    if (operand.segment) return std::nullopt;
    auto address = static_cast<std::uint64_t>(operand.number);
    const auto add = [&](int reg, std::uint64_t scale) {
      if (reg == Operand::kNone) return true;
      if (reg == Operand::kProgramCounter) {
        address += at.next();
        return true;
      }
      if (reg == Operand::kUnknown || !way.registers[static_cast<std::size_t>(reg)].known)
        return false;
      address += way.registers[static_cast<std::size_t>(reg)].value * scale;
      return true;
    };
    if (!add(operand.reg, 1) || !add(operand.index, static_cast<std::uint64_t>(operand.scale)))
      return std::nullopt;
    return address;
  }

  Number load(const Way& way, const Instruction& at, const Operand& operand) const {
    switch (operand.kind) {
      case Operand::Kind::Number:
        return {true, static_cast<std::uint64_t>(operand.number) & mask_of(operand.bytes)};
      case Operand::Kind::Register: {
        const Number& reg = way.registers[static_cast<std::size_t>(operand.reg)];
        const std::uint64_t value = operand.high_byte ? reg.value >> 8 : reg.value;
        return {reg.known, value & mask_of(operand.bytes)};
      }
      case Operand::Kind::Memory: {
        const auto address = address_of(way, at, operand);
        return address && operand.bytes <= 8 ? read(way, *address, operand.bytes) : Number{};
      }
      default:
        return {};
    }
  }

  /// false: it is not known where it goes.
  bool store(Way& way, const Instruction& at, const Operand& operand, Number number) {
    if (operand.kind == Operand::Kind::Memory) {
      const auto address = address_of(way, at, operand);
      if (!address || operand.bytes > 8) return false;
      write(way, *address, operand.bytes, number);
      return true;
    }
    if (operand.kind != Operand::Kind::Register || operand.high_byte) return false;
    Number& reg = way.registers[static_cast<std::size_t>(operand.reg)];
    number.value &= mask_of(operand.bytes);
    if (operand.bytes < 4) {  // the rest of the register stays
      number.value |= reg.value & ~mask_of(operand.bytes);
      number.known = number.known && reg.known;
    }
    reg = number;
    return true;
  }

  // ---- instructions

  /// nullopt: it goes on at way.pc.
  std::optional<Outcome> step(Way& way, const Instruction& at, std::span<const std::uint8_t> code) {
    const auto& operands = at.operands;
    way.pc = at.next();
    switch (at.operation) {
      case Operation::Nothing:
        return std::nullopt;
      case Operation::Return:
        return go_back(way);
      case Operation::Call:
      case Operation::Jump:
        return transfer(way, at);
      case Operation::Branch: {
        const auto condition = condition_of(code);
        if (!condition || operands.empty() || operands[0].kind != Operand::Kind::Number)
          return Outcome::Unknown;
        const auto target = static_cast<std::uint64_t>(operands[0].number);
        const auto taken = holds(*condition, way.flags);
        if (!taken) {
          Way other = way;
          other.pc = target;
          todo_.push_back(std::move(other));
        } else if (*taken) {
          way.pc = target;
        }
        return todo_.size() > kMaxWays ? std::optional(Outcome::Unknown) : std::nullopt;
      }
      case Operation::Push: {
        if (operands.size() != 1 || !way.registers[kRsp].known) return Outcome::Unknown;
        const Number value = load(way, at, operands[0]);
        way.registers[kRsp].value -= 8;
        write(way, way.registers[kRsp].value, 8, value);
        return std::nullopt;
      }
      case Operation::Pop: {
        if (operands.size() != 1 || !way.registers[kRsp].known) return Outcome::Unknown;
        const Number value = read(way, way.registers[kRsp].value, 8);
        way.registers[kRsp].value += 8;
        return store(way, at, operands[0], value) ? std::nullopt : std::optional(Outcome::Unknown);
      }
      case Operation::Leave:
        if (!way.registers[kRbp].known) return Outcome::Unknown;
        way.registers[kRsp] = {true, way.registers[kRbp].value + 8};
        way.registers[kRbp] = read(way, way.registers[kRbp].value, 8);
        return std::nullopt;
      default:
        return step_data(way, at, code) ? std::nullopt : std::optional(Outcome::Unknown);
    }
  }

  std::optional<Outcome> transfer(Way& way, const Instruction& at) {
    if (at.operands.size() != 1) return Outcome::Unknown;
    const Operand& operand = at.operands[0];
    Number& sp = way.registers[kRsp];
    if (at.operation == Operation::Call) {
      if (!sp.known) return Outcome::Unknown;
      sp.value -= 8;
      write(way, sp.value, 8, {true, at.next()});
    }
    if (operand.kind == Operand::Kind::Memory) {
      const auto slot = address_of(way, at, operand);
      if (const Known* known = slot ? program_.known_by_slot(*slot) : nullptr)
        return call(way, *known);
    }
    const Number to = load(way, at, operand);
    if (!to.known) return Outcome::Unknown;
    way.pc = to.value;
    return std::nullopt;
  }

  /// false: it is not known what it does.
  bool step_data(Way& way, const Instruction& at, std::span<const std::uint8_t> code) {
    const auto& operands = at.operands;
    const auto forget = [&] {
      for (std::size_t i = 0; i < way.registers.size(); ++i)
        if ((at.written >> i & 1) != 0) way.registers[i] = {};
    };
    if (at.id == X86_INS_CDQE || at.id == X86_INS_CDQ || at.id == X86_INS_CQO) {
      const Number a = way.registers[kRax];
      const auto low = static_cast<std::int32_t>(a.value);
      const bool negative = at.id == X86_INS_CQO ? static_cast<std::int64_t>(a.value) < 0 : low < 0;
      if (at.id == X86_INS_CDQE)
        way.registers[kRax].value = static_cast<std::uint64_t>(std::int64_t{low});
      else
        way.registers[kRdx] = {a.known,
                               negative ? mask_of(at.id == X86_INS_CQO ? 8 : 4) : std::uint64_t{0}};
      return true;
    }
    if (operands.empty() || writes_many(at)) return false;
    constexpr std::int64_t kCanary = 0x28;  // of gcc's -fstack-protector: it is what it was
    if (operands.size() == 2 && operands[1].segment && operands[1].number == kCanary &&
        (at.id == X86_INS_SUB || at.id == X86_INS_XOR || at.id == X86_INS_CMP)) {
      way.flags = {true, true, false, false, false};
      return at.id == X86_INS_CMP || store(way, at, operands[0], {true, 0});
    }
    const Operand& to = operands[0];
    const unsigned bits = to.bytes * 8U;
    const std::uint64_t mask = mask_of(to.bytes);
    const auto sign_of = [&](std::uint64_t value) { return (value >> (bits - 1) & 1) != 0; };
    if (bits > 64) {  // a register of the vector unit: to memory it puts what is not known
      forget();
      for (const Operand& operand : operands) {
        if (operand.kind != Operand::Kind::Memory || !operand.written) continue;
        const auto address = address_of(way, at, operand);
        if (!address) return false;
        for (unsigned i = 0; i < operand.bytes; ++i) way.memory[*address + i] = {};
      }
      return true;
    }
    const auto from = [&](std::size_t i) {
      return i < operands.size() ? load(way, at, operands[i]) : Number{};
    };
    const auto logic = [&](std::uint64_t value, bool known) {
      value &= mask;
      way.flags = {known, value == 0, sign_of(value), false, false};
      return Number{known, value};
    };
    const auto sum = [&](Number a, Number b, bool minus) {
      const bool known = a.known && b.known;
      const std::uint64_t x = a.value & mask, y = b.value & mask;
      const std::uint64_t value = (minus ? x - y : x + y) & mask;
      const bool overflow = minus ? sign_of(x) != sign_of(y) && sign_of(value) != sign_of(x)
                                  : sign_of(x) == sign_of(y) && sign_of(value) != sign_of(x);
      way.flags = {known, value == 0, sign_of(value), minus ? x < y : value < x, overflow};
      return Number{known, value};
    };
    switch (at.id) {
      case X86_INS_MOV:
      case X86_INS_MOVABS:
      case X86_INS_MOVZX:
        return store(way, at, to, from(1));
      case X86_INS_MOVSX:
      case X86_INS_MOVSXD: {
        Number value = from(1);
        const unsigned width = operands[1].bytes * 8U;
        if (width < 64 && (value.value >> (width - 1) & 1) != 0)
          value.value |= ~mask_of(operands[1].bytes);
        return store(way, at, to, value);
      }
      case X86_INS_LEA: {
        const auto address = address_of(way, at, operands[1]);
        return store(way, at, to, {address.has_value(), address.value_or(0)});
      }
      case X86_INS_CMP:
        (void)sum(from(0), from(1), true);
        return true;
      case X86_INS_TEST: {
        const Number a = from(0), b = from(1);
        const bool is_zero = (a.known && a.value == 0) || (b.known && b.value == 0);
        (void)logic(is_zero ? 0 : a.value & b.value, is_zero || (a.known && b.known));
        return true;
      }
      case X86_INS_ADD:
        return store(way, at, to, sum(from(0), from(1), false));
      case X86_INS_SUB: {
        const bool same = operands[1].kind == Operand::Kind::Register &&
                          to.kind == Operand::Kind::Register && operands[1].reg == to.reg;
        return store(way, at, to, same ? logic(0, true) : sum(from(0), from(1), true));
      }
      case X86_INS_INC:
      case X86_INS_DEC: {
        const bool carry = way.flags.carry, was_known = way.flags.known;
        const Number value = sum(from(0), {true, 1}, at.id == X86_INS_DEC);
        way.flags.carry = carry;
        way.flags.known = way.flags.known && was_known;
        return store(way, at, to, value);
      }
      case X86_INS_NEG:
        return store(way, at, to, sum({true, 0}, from(0), true));
      case X86_INS_NOT: {
        const Number value = from(0);
        return store(way, at, to, {value.known, ~value.value & mask});
      }
      case X86_INS_AND: {
        const Number a = from(0), b = from(1);
        return store(way, at, to, logic(a.value & b.value, a.known && b.known));
      }
      case X86_INS_OR: {
        const Number a = from(0), b = from(1);
        return store(way, at, to, logic(a.value | b.value, a.known && b.known));
      }
      case X86_INS_XOR: {
        const bool same = operands[1].kind == Operand::Kind::Register &&
                          to.kind == Operand::Kind::Register && operands[1].reg == to.reg;
        const Number a = from(0), b = from(1);
        return store(way, at, to,
                     same ? logic(0, true) : logic(a.value ^ b.value, a.known && b.known));
      }
      case X86_INS_SHL:
      case X86_INS_SAL:
      case X86_INS_SHR:
      case X86_INS_SAR: {
        const Number a = from(0), by = operands.size() > 1 ? from(1) : Number{true, 1};
        const std::uint64_t count = by.value & (bits == 64 ? 63 : 31);
        if (!by.known || count >= bits) return forget(), way.flags.known = false, true;
        std::uint64_t value = 0;
        if (at.id == X86_INS_SHR) {
          value = a.value >> count;
        } else if (at.id == X86_INS_SAR) {
          value = a.value >> count;
          if (count > 0 && sign_of(a.value)) value |= mask << (bits - count);
        } else {
          value = a.value << count;
        }
        const Number result = logic(value, a.known);
        way.flags.known = false;
        if (a.known && count > 0) {
          way.flags.known = true;
          way.flags.carry = at.id == X86_INS_SHR || at.id == X86_INS_SAR
                                ? (a.value >> (count - 1) & 1) != 0
                                : (a.value >> (bits - count) & 1) != 0;
        }
        return store(way, at, to, result);
      }
      default:
        break;
    }
    if (const auto condition = condition_of(code)) {
      const auto value = holds(*condition, way.flags);
      if (at.operation == Operation::MoveIf) {
        if (!value) return store(way, at, to, {});
        return store(way, at, to, *value ? from(1) : from(0));
      }
      return store(way, at, to, {value.has_value(), value.value_or(false) ? 1U : 0U});
    }
    // anything else puts what is not known into all that it names
    forget();
    way.flags.known = false;
    return std::ranges::all_of(operands, [&](const Operand& operand) {
      return operand.kind != Operand::Kind::Memory || store(way, at, operand, {});
    });
  }

  Program& program_;
  Disassembler& disassembler_;
  const unwind::RawStack& stack_;
  const std::array<std::uint64_t, 6>& arguments_;
  const Written& written_;
  bool leads_;
  std::size_t& budget_;
  std::size_t frame_ = 0;  ///< the innermost of the program's own
  const Waiting* waiting_ = nullptr;
  std::vector<Way> todo_;
};

}  // namespace

Interrupted read_interrupted(Program& program, Disassembler& disassembler,
                             const unwind::RawStack& stack,
                             const std::array<std::uint64_t, 6>& arguments, const Written& written,
                             bool leads, std::size_t& budget) {
  return Run(program, disassembler, stack, arguments, written, leads, budget).read();
}

}  // namespace ipcdoctor::runtime::native
