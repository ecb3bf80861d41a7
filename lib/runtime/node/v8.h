#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "linux/address_space.h"
#include "runtime/remote.h"
#include "runtime/runtime.h"
#include "snapshot/snapshot.h"
#include "unwind/unwind.h"

/// Node from outside.
namespace ipcdoctor::runtime::node {

/// The functions of JavaScript on a stack, by what V8 exports for debuggers: the v8dbg_ constants
/// that tools/gen-postmortem-metadata.py of V8 makes, of Node 18 to 24. Only functions that are
/// interpreted are told; one that blocks hardly ever is compiled.
class V8 {
 public:
  /// @return Unsupported: no V8 that exports them; Malformed: one of those that are needed is not
  /// there.
  static Result<V8> find(const linux::AddressSpace& space, unwind::Images& images);

  /// Innermost first, with the lines that they are at.
  /// @param sp  of a blocked thread
  std::vector<snapshot::Frame> frames(RemoteAddr sp) const;

 private:
  explicit V8(const linux::AddressSpace& space) : space_(&space), remote_(space.memory) {}

  struct Constants {
    std::int32_t type = 0;                                 ///< of a Map
    std::int32_t function = 0, offset = 0, code = 0;       ///< from the frame pointer
    std::int32_t shared = 0;                               ///< of a JSFunction
    std::int32_t name = 0, script = 0;                     ///< of a SharedFunctionInfo
    std::int32_t file = 0, source = 0;                     ///< of a Script
    std::int32_t bytes = 0;                                ///< of a BytecodeArray
    std::int32_t length = 0, one_byte = 0, two_byte = 0;   ///< of a String
    std::int32_t first = 0, second = 0, actual = 0;        ///< of a ConsString, a ThinString
    std::int32_t not_string = 0, shape = 0, encoding = 0;  ///< types and masks of types
    std::int32_t sequential = 0, cons = 0, thin = 0, is_one_byte = 0;
    std::int32_t is_code = 0, is_script = 0, is_shared = 0, is_scope = 0;
    std::int32_t scope_locals = 0, scope_first = 0;  ///< indexes in a ScopeInfo
  };

  bool read_constants(const std::map<std::string, RemoteAddr>& names);
  std::uint64_t field(std::uint64_t object, std::int32_t offset) const;
  std::int32_t type_of(std::uint64_t object) const;
  std::string string(std::uint64_t value, std::size_t limit, int depth = 0) const;
  std::string name_of(std::uint64_t shared) const;
  std::optional<snapshot::Frame> frame_of(std::uint64_t function, std::uint64_t code,
                                          std::uint64_t offset) const;
  int line_of(std::uint64_t code, std::int64_t offset, std::uint64_t source) const;

  const linux::AddressSpace* space_;
  Remote remote_;
  Constants k_;
};

/// Of its main thread and its Workers.
Result<std::vector<Told>> read(const Target& target);

}  // namespace ipcdoctor::runtime::node
