#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "linux/address_space.h"

namespace ipcdoctor::runtime {

/// Reads numbers from a target for code that follows many pointers. What cannot be read is 0, as a
/// null pointer is; the callers treat both alike: there the walk ends.
class Remote {
 public:
  explicit Remote(const linux::ProcessMemory& memory) : memory_(&memory) {}

  template <class T>
  T get(std::uint64_t address) const {
    const auto value = memory_->read_object<T>(RemoteAddr{address});
    return value ? *value : T{};
  }
  /// For what is stored as a fact: nothing if it cannot be read.
  template <class T>
  std::optional<T> find(std::uint64_t address) const {
    const auto value = memory_->read_object<T>(RemoteAddr{address});
    return value ? std::optional<T>(*value) : std::nullopt;
  }
  std::uint64_t word(std::uint64_t address) const { return get<std::uint64_t>(address); }
  /// A pointer to an object: aligned, not in the first page, or 0.
  std::uint64_t pointer(std::uint64_t address) const {
    const std::uint64_t p = word(address);
    return p % 8 == 0 && p >= 4096 && p < (std::uint64_t{1} << 47) ? p : 0;
  }
  bool read(std::uint64_t address, std::span<std::byte> into) const {
    return memory_->read(RemoteAddr{address}, into).has_value();
  }
  /// At most `limit` bytes; empty if any of them cannot be read.
  std::vector<std::uint8_t> bytes(std::uint64_t address, std::size_t size) const {
    std::vector<std::uint8_t> data(size);
    if (!read(address, std::as_writable_bytes(std::span(data)))) data.clear();
    return data;
  }
  std::string text(std::uint64_t address, std::size_t limit) const {
    const auto value = memory_->read_string(RemoteAddr{address}, limit);
    return value ? *value : std::string();
  }

 private:
  const linux::ProcessMemory* memory_;
};

}  // namespace ipcdoctor::runtime
