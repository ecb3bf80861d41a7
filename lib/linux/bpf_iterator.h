// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#pragma once

#include <linux/bpf.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "linux/btf_types.h"
#include "linux/unique_fd.h"

/// What the readers by BPF iterators share.
namespace ipcdoctor::linux::bpf {

/// Pages of our own.
class Pages {
 public:
  Pages() = default;
  Pages(std::byte* begin, std::size_t size) : bytes_(begin, size) {}
  Pages(Pages&& from) noexcept : bytes_(std::exchange(from.bytes_, {})) {}
  Pages& operator=(Pages&&) = delete;
  ~Pages();

  std::span<std::byte> bytes() const { return bytes_; }

 private:
  std::span<std::byte> bytes_;
};

/// The kernel's own type information.
class KernelTypes {
 public:
  /// @return Denied, or Unsupported: an old kernel, another PID namespace.
  static Result<KernelTypes> read();

  /// Offset of a member of a struct in bytes, also of one in an anonymous struct or union within.
  /// 0, and is_complete() no more, where there is none.
  std::int16_t offset(const char* type, std::string_view member);
  std::int16_t size(const char* type);
  bool has(const char* type, std::string_view member) const;
  bool is_complete() const { return complete_; }
  /// The number of "bpf_iter_task" and its like; 0: there is none.
  std::uint32_t iterator(const char* function) const;

 private:
  KernelTypes(Pages pages, Btf types) : pages_(std::move(pages)), types_(std::move(types)) {}
  std::int16_t kept(std::optional<std::uint32_t> number);
  std::uint32_t number_of(const char* type) const;

  Pages pages_;
  Btf types_;                                             ///< in those pages
  mutable std::map<std::string, std::uint32_t> numbers_;  ///< of structs asked for
  bool complete_ = true;
};

/// Instructions, one after the other. They are so few that no compiler is needed. r10 is the end of
/// the stack, where the record that is written grows.
class Assembler {
 public:
  /// @param record  size of the record in bytes, a multiple of eight
  explicit Assembler(std::size_t record) : record_(static_cast<int>(record)) {}

  void add(int code, int to, int from, int offset, int immediate);
  void move(int to, int from) { add(BPF_ALU64 | BPF_MOV | BPF_X, to, from, 0, 0); }
  void move_number(int to, int number) { add(BPF_ALU64 | BPF_MOV, to, 0, 0, number); }
  void add_number(int to, int number) { add(BPF_ALU64 | BPF_ADD, to, 0, 0, number); }
  void call(int helper) { add(BPF_JMP | BPF_CALL, 0, 0, 0, helper); }
  void load(int size, int to, int base, int offset) {
    add(BPF_LDX | BPF_MEM | size, to, base, offset, 0);
  }
  /// Through r1 into a field of the record.
  void copy(int size, int base, int offset, std::size_t field) {
    load(size, 1, base, offset);
    store(1, field);
  }
  void store(int from, std::size_t field) {
    add(BPF_STX | BPF_MEM | BPF_DW, 10, from, on_stack(field), 0);
  }
  void clear(std::size_t field, std::size_t end) {
    for (; field < end; field += 8) add(BPF_ST | BPF_MEM | BPF_DW, 10, 0, on_stack(field), 0);
  }
  int on_stack(std::size_t field) const { return static_cast<int>(field) - record_; }
  /// Hands `size` bytes at the end of the stack to the reader. @param context  register
  void write(int context, std::size_t size);
  std::size_t jump_if_zero(int tested) {
    add(BPF_JMP | BPF_JEQ | BPF_K, tested, 0, 0, 0);
    return instructions_.size();
  }
  /// Jumps unless the lower half of `tested` is `number`.
  std::size_t jump_unless(int tested, int number) {
    add(BPF_JMP32 | BPF_JNE | BPF_K, tested, 0, 0, number);
    return instructions_.size();
  }
  void land(std::size_t after_jump) {
    instructions_[after_jump - 1].off = static_cast<__s16>(instructions_.size() - after_jump);
  }
  void exit() {
    move_number(0, 0);
    add(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
  }
  const std::vector<bpf_insn>& instructions() const { return instructions_; }

 private:
  int record_;
  std::vector<bpf_insn> instructions_;
};

/// Has the kernel check a program, to be run for each element whenever it is asked.
/// @param function  "bpf_iter_task" ...
/// @return what keeps it loaded; Denied, Unsupported.
Result<UniqueFd> load_iterator(const KernelTypes& types, const char* function, const char* name,
                               const std::vector<bpf_insn>& instructions);

/// What reads it once; needs the right to use bpf(2). @return Denied.
Result<UniqueFd> start_iterator(const UniqueFd& loaded);

/// Runs it and reads all that it writes, in pieces that may end anywhere.
/// @param take  gets each piece; an Error ends the reading
/// @return Denied, and what `take` said.
Status run_iterator(const UniqueFd& loaded,
                    const std::function<Status(std::span<const std::byte>)>& take);

}  // namespace ipcdoctor::linux::bpf
