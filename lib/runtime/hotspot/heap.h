#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "runtime/hotspot/vm.h"

namespace ipcdoctor::runtime::hotspot {

/// Objects of Java, as far as locks need them: java.lang.Thread says for which object it is parked,
/// and a lock of java.util.concurrent who has it. All collectors whose references are addresses,
/// compressed or not; JDK 8 to 20, which keep the fields of a class as an array of shorts.
class Heap {
 public:
  explicit Heap(const Vm& vm);

  /// The java.lang.Thread of a JavaThread; 0: not known.
  std::uint64_t thread_object(std::uint64_t thread) const;

  /// A lock that knows its owner.
  struct Synchronizer {
    std::uint64_t object = 0;
    std::string klass;           ///< "ReentrantLock"
    std::uint64_t owner_at = 0;  ///< where its owner is stored, or its only reader
    bool of_library = false;     ///< one that only its owner gives back; what a class of the
                                 ///< program's own does is not known
  };
  /// What a thread is parked for, if that is a
  /// java.util.concurrent.locks.AbstractOwnableSynchronizer.
  std::optional<Synchronizer> find_synchronizer(std::uint64_t thread_object) const;
  bool is_owner(const Synchronizer& lock, std::uint64_t thread_object) const;

 private:
  std::optional<std::uint64_t> only_reader_at(std::uint64_t object, std::uint64_t klass) const;
  std::uint64_t class_of(std::uint64_t object) const;
  /// The offset of a field that the class of that name, the object's own or above it, declares.
  std::optional<std::uint32_t> field_of(std::uint64_t klass, std::string_view declared_by,
                                        std::string_view field) const;
  std::optional<std::uint32_t> declared_field(std::uint64_t klass, std::string_view field) const;
  std::uint64_t narrow_reference(std::uint64_t address) const;

  const Vm* vm_;
  std::uint64_t oop_base_ = 0, klass_base_ = 0;
  std::uint32_t oop_shift_ = 0, klass_shift_ = 0;
  mutable std::map<std::pair<std::uint64_t, std::string>, std::optional<std::uint32_t>> fields_;
};

}  // namespace ipcdoctor::runtime::hotspot
