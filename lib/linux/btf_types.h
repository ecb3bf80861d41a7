#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace ipcdoctor::linux {

/// Types in the BPF Type Format, as /sys/kernel/btf/vmlinux has those of the kernel:
/// Documentation/bpf/btf.rst of Linux, <linux/btf.h>. The bytes must outlive it.
class Btf {
 public:
  /// @return Malformed; Unsupported for a kind of type that is not known, as its size is not.
  static Result<Btf> parse(std::span<const std::byte> bytes);

  /// The number of the type of that kind, such as BTF_KIND_STRUCT, and name; 0: there is none.
  std::uint32_t find(std::string_view name, std::uint32_t kind) const;
  /// Bytes of a struct or union.
  std::optional<std::uint32_t> size_of(std::uint32_t type) const;
  /// In bytes from the begin of a struct or union, also of a member in an anonymous one within.
  std::optional<std::uint32_t> offset_of(std::uint32_t type, std::string_view member) const;

 private:
  struct Type {
    std::uint32_t name, info, size;  ///< of struct btf_type
    std::size_t rest;                ///< where what follows it begins
  };

  std::size_t size_at(std::size_t begin) const;
  Type type_at(std::size_t begin) const;
  std::optional<Type> type(std::uint32_t number) const;
  std::string_view name_at(std::uint32_t offset) const;
  bool is_named(std::uint32_t offset, std::string_view name) const;
  std::optional<std::uint32_t> offset_of(std::uint32_t type, std::string_view member,
                                         int depth) const;

  struct Named {
    std::uint32_t name, number;
  };

  static constexpr std::uint32_t kStride = 64;

  std::span<const std::byte> types_, names_;
  std::uint32_t count_ = 0;
  std::vector<std::uint32_t> begins_;  ///< of the types 1, 1 + kStride, 1 + 2 * kStride ...
  std::vector<Named> structs_;         ///< they are asked for most: one type in ten
};

}  // namespace ipcdoctor::linux
