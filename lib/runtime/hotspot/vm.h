#pragma once

#include <cstdint>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "linux/address_space.h"
#include "unwind/unwind.h"

/// A HotSpot JVM (JDK 8 and later) from outside: its threads, their Java frames, its monitors.
namespace ipcdoctor::runtime::hotspot {

/// The JVM's own description of its structures, which it exports for debuggers. Source: OpenJDK 17,
/// src/hotspot/share/runtime/vmStructs.hpp.
class Vm {
 public:
  /// @return Unsupported: no libjvm is mapped; Malformed, Denied.
  static Result<Vm> find(const linux::AddressSpace& space, unwind::Images& images);

  /// The offset of a member, or the address of a static one; nullopt: this JVM has none.
  std::optional<std::uint64_t> member(std::string_view type, std::string_view name) const;
  std::optional<std::uint64_t> size_of(std::string_view type) const;

  const linux::AddressSpace& space() const { return *space_; }
  std::optional<std::uint64_t> read(std::uint64_t address) const;  ///< 8 bytes
  std::optional<std::uint32_t> read_int(std::uint64_t address) const;
  std::optional<std::uint16_t> read_short(std::uint64_t address) const;
  /// A member that is a pointer, of the object at the address; 0: null, no such member, not read.
  std::uint64_t pointer(std::uint64_t object, std::string_view type, std::string_view name) const;
  /// A static member that is a pointer; 0 as above.
  std::uint64_t pointer(std::string_view type, std::string_view name) const;
  /// The text of a Symbol, raw; nullopt if that is none.
  std::optional<std::string> symbol(std::uint64_t address) const;
  /// "java/lang/Object"; "" if it is no class.
  std::string class_name(std::uint64_t klass) const;

  /// The text at that index of a ConstantPool, raw; nullopt if there is none.
  std::optional<std::string> constant_text(std::uint64_t pool, std::uint16_t index) const;

  /// Whether the boot loader has loaded none of these classes, as far as is known.
  bool lacks_boot_classes(std::initializer_list<std::string_view> names) const;

 private:
  explicit Vm(const linux::AddressSpace& space) : space_(&space) {}
  bool read_members(unwind::Images& images);
  bool read_types(unwind::Images& images);
  std::uint64_t exported(unwind::Images& images, const char* symbol) const;

  const linux::AddressSpace* space_;
  std::map<std::string, std::uint64_t, std::less<>> members_, sizes_;
};

}  // namespace ipcdoctor::runtime::hotspot
