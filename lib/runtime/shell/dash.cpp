#include "runtime/shell/dash.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/native/disassembler.h"
#include "runtime/remote.h"

namespace ipcdoctor::runtime::shell {
namespace {

using linux::Mapping;
using native::Instruction;
using native::Operand;

constexpr std::size_t kMaxPart = 1 << 20;  // bytes of one mapping: dash has 0.1 MB in all
constexpr int kMaxInstructions = 32;
constexpr std::size_t kMaxCode = 256;
constexpr int kMaxLoops = 1000;

struct Part {
  std::uint64_t start;
  std::vector<std::uint8_t> bytes;
};

class Dash {
 public:
  Dash(const linux::AddressSpace& space, std::string exe)
      : space_(space), remote_(space.memory), exe_(std::move(exe)) {
    for (const Mapping& mapping : space.notable_maps()) {
      if (mapping.path != exe_ || mapping.executable || !mapping.readable) continue;
      if (mapping.end - mapping.start > kMaxPart) continue;
      parts_.push_back({mapping.start, remote_.bytes(mapping.start, mapping.end - mapping.start)});
    }
  }

  std::optional<int> loops() const {
    const auto function = function_of("break");
    const auto counter = function ? first_variable_of(*function) : std::nullopt;
    return counter ? remote_.find<int>(*counter) : std::nullopt;
  }

 private:
  std::optional<std::uint64_t> function_of(std::string_view builtin) const {
    const std::string text = '\0' + std::string(builtin) + '\0';
    for (const Part& part : parts_) {
      const auto at = std::ranges::search(part.bytes, text);
      if (at.empty()) continue;
      const auto offset = static_cast<std::uint64_t>(at.begin() - part.bytes.begin());
      if (const auto function = behind_pointer_to(part.start + offset + 1)) return function;
    }
    return std::nullopt;
  }

  /// struct builtincmd: a name, a function.
  std::optional<std::uint64_t> behind_pointer_to(std::uint64_t name) const {
    for (const Part& part : parts_) {
      for (std::size_t i = 0; i + 16 <= part.bytes.size(); i += 8) {
        std::uint64_t words[2];
        std::memcpy(words, part.bytes.data() + i, sizeof words);
        if (words[0] == name && is_code(words[1])) return words[1];
      }
    }
    return std::nullopt;
  }

  bool is_code(std::uint64_t address) const {
    const Mapping* mapping = linux::find_mapping(space_.maps(), RemoteAddr{address});
    return mapping != nullptr && mapping->executable && mapping->path == exe_;
  }

  /// The first `int` that it reads at an address of its own, on the way on which no branch is
  /// taken.
  std::optional<std::uint64_t> first_variable_of(std::uint64_t function) const {
    const Mapping* mapping = linux::find_mapping(space_.maps(), RemoteAddr{function});
    const auto code = remote_.bytes(function, std::min(kMaxCode, mapping->end - function));
    native::Disassembler disassembler;
    std::size_t at = 0;
    for (int i = 0; i < kMaxInstructions && at < code.size(); ++i) {
      const auto instruction = disassembler.decode(std::span(code).subspan(at), function + at);
      if (!instruction || instruction->operation == native::Operation::Return) break;
      for (const Operand& operand : instruction->operands) {
        if (operand.kind == Operand::Kind::Memory && operand.bytes == 4 && !operand.written &&
            operand.reg == Operand::kProgramCounter && operand.index == Operand::kNone)
          return instruction->next() + static_cast<std::uint64_t>(operand.number);
      }
      at += instruction->size;
    }
    return std::nullopt;
  }

  const linux::AddressSpace& space_;
  Remote remote_;
  std::string exe_;
  std::vector<Part> parts_;
};

bool is_one_of(const linux::AddressSpace& space, std::initializer_list<std::string_view> names) {
  const auto exe = space.dir.read_link("exe");
  const std::string name = exe ? exe->substr(exe->rfind('/') + 1) : "";
  return std::ranges::any_of(names, [&](std::string_view one) {
    // tclsh8.6
    return name.starts_with(one) && name.find_first_not_of("0123456789.", one.size()) == name.npos;
  });
}

}  // namespace

bool is_in_dash_loop(const linux::AddressSpace& space) {
  const auto exe = space.dir.read_link("exe");
  if (!exe || exe->substr(exe->rfind('/') + 1) != "dash") return false;
  const auto loops = Dash(space, *exe).loops();
  return loops && *loops > 0 && *loops <= kMaxLoops;
}

bool is_dash(const linux::AddressSpace& space) {
  return is_one_of(space, {"dash"});
}

bool is_read(const linux::AddressSpace& space) {
  return is_one_of(space, {"bash", "dash"});
}

bool is_other(const linux::AddressSpace& space) {
  return is_one_of(space, {"sh", "zsh", "ksh", "mksh", "busybox", "fish", "tclsh"});
}

}  // namespace ipcdoctor::runtime::shell
