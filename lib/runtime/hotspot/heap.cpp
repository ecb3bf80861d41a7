#include "runtime/hotspot/heap.h"

#include <algorithm>

#include "base/text.h"

namespace ipcdoctor::runtime::hotspot {
namespace {

constexpr int kMaxSupers = 64;
constexpr std::uint32_t kMaxFields = 10'000;
constexpr std::uint32_t kMaxShift = 10;
constexpr std::uint32_t kMaxOffset = 1 << 16;

// Of an entry of InstanceKlass::_fields; see oops/fieldInfo.hpp of OpenJDK 17.
constexpr std::uint64_t kSlots = 6, kName = 1, kLow = 4, kHigh = 5;
constexpr int kTagBits = 2;

/// "ReentrantLock" of "java/util/concurrent/locks/ReentrantLock$NonfairSync".
std::string outer_class(std::string_view name) {
  const std::size_t begin = name.rfind('/') + 1;
  return escape_untrusted(name.substr(begin, name.find('$', begin) - begin));
}

}  // namespace

Heap::Heap(const Vm& vm) : vm_(&vm) {
  const auto find = [&](std::string_view type, std::string_view before, std::string_view name) {
    const auto at = vm.member(type, name);
    return at ? at : vm.member(before, name);
  };
  const auto shift_at = [&](const std::optional<std::uint64_t>& address) {
    return address ? std::min(vm.read_int(*address).value_or(0), kMaxShift) : 0;
  };
  const auto oops = find("CompressedOops", "Universe", "_narrow_oop._base");
  const auto classes = find("CompressedKlassPointers", "Universe", "_narrow_klass._base");
  oop_base_ = oops ? vm.read(*oops).value_or(0) : 0;
  klass_base_ = classes ? vm.read(*classes).value_or(0) : 0;
  oop_shift_ = shift_at(find("CompressedOops", "Universe", "_narrow_oop._shift"));
  klass_shift_ = shift_at(find("CompressedKlassPointers", "Universe", "_narrow_klass._shift"));
}

std::uint64_t Heap::thread_object(std::uint64_t thread) const {
  const std::uint64_t handle = vm_->pointer(thread, "JavaThread", "_threadObj");
  if (handle == 0) return 0;
  // JDK 14 made it a handle; before, it was the reference.
  for (const std::uint64_t object : {vm_->read(handle).value_or(0), handle})
    if (field_of(class_of(object), "java/lang/Thread", "parkBlocker")) return object;
  return 0;
}

std::uint64_t Heap::class_of(std::uint64_t object) const {
  if (object == 0 || object % 8 != 0) return 0;
  const auto narrow_at = vm_->member("oopDesc", "_metadata._compressed_klass");
  const auto narrow = narrow_at ? vm_->read_int(object + *narrow_at) : std::nullopt;
  const std::uint64_t klass = narrow ? klass_base_ + (std::uint64_t{*narrow} << klass_shift_) : 0;
  if (narrow.value_or(0) != 0 && !vm_->class_name(klass).empty()) return klass;
  const std::uint64_t wide = vm_->pointer(object, "oopDesc", "_metadata._klass");
  return vm_->class_name(wide).empty() ? 0 : wide;
}

std::optional<std::uint32_t> Heap::field_of(std::uint64_t klass, std::string_view declared_by,
                                            std::string_view field) const {
  if (klass == 0) return std::nullopt;
  const auto [it, is_new] = fields_.try_emplace({klass, std::string(field)});
  if (!is_new) return it->second;
  for (int i = 0; klass != 0 && i < kMaxSupers; ++i) {
    if (vm_->class_name(klass) == declared_by) return it->second = declared_field(klass, field);
    klass = vm_->pointer(klass, "Klass", "_super");
  }
  return std::nullopt;
}

std::optional<std::uint32_t> Heap::declared_field(std::uint64_t klass,
                                                  std::string_view field) const {
  const std::uint64_t pool = vm_->pointer(klass, "InstanceKlass", "_constants");
  const std::uint64_t fields = vm_->pointer(klass, "InstanceKlass", "_fields");
  const auto length_at = vm_->member("Array<int>", "_length");
  const auto data_at = vm_->member("Array<u2>", "_data");
  if (pool == 0 || fields == 0 || !length_at || !data_at) return std::nullopt;
  const std::uint64_t count =
      std::min(vm_->read_int(fields + *length_at).value_or(0) / std::uint32_t{kSlots}, kMaxFields);
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto slot = [&](std::uint64_t number) {
      return vm_->read_short(fields + *data_at + (i * kSlots + number) * 2);
    };
    const auto name = slot(kName), low = slot(kLow), high = slot(kHigh);
    if (!name || !low || !high) return std::nullopt;
    if (vm_->constant_text(pool, *name) != field) continue;
    const std::uint32_t offset = ((std::uint32_t{*high} << 16) | *low) >> kTagBits;
    return offset < kMaxOffset ? std::optional(offset) : std::nullopt;
  }
  return std::nullopt;
}

std::uint64_t Heap::narrow_reference(std::uint64_t address) const {
  const std::uint32_t narrow = vm_->read_int(address).value_or(0);
  return narrow == 0 ? 0 : oop_base_ + (std::uint64_t{narrow} << oop_shift_);
}

std::optional<Heap::Synchronizer> Heap::find_synchronizer(std::uint64_t thread_object) const {
  constexpr std::string_view kOwnable = "java/util/concurrent/locks/AbstractOwnableSynchronizer";
  const auto blocker = field_of(class_of(thread_object), "java/lang/Thread", "parkBlocker");
  if (!blocker) return std::nullopt;
  const std::uint64_t at = thread_object + *blocker;
  for (const std::uint64_t object : {narrow_reference(at), vm_->read(at).value_or(0)}) {
    const std::uint64_t klass = class_of(object);
    const auto owner = field_of(klass, kOwnable, "exclusiveOwnerThread");
    if (!owner) continue;
    const std::string name = vm_->class_name(klass);
    const bool of_library = name.starts_with("java/util/concurrent/locks/Reentrant");
    return Synchronizer{object, outer_class(name),
                        only_reader_at(object, klass).value_or(object + *owner), of_library};
  }
  return std::nullopt;
}

/// "firstReader is the thread that last changed the shared count from 0 to 1, and has not released
/// the read lock since then", so that it has the lock alone where its count is the whole one.
std::optional<std::uint64_t> Heap::only_reader_at(std::uint64_t object, std::uint64_t klass) const {
  constexpr std::string_view kSync = "java/util/concurrent/locks/ReentrantReadWriteLock$Sync";
  constexpr int kSharedShift = 16;
  const auto reader = field_of(klass, kSync, "firstReader");
  const auto count = field_of(klass, kSync, "firstReaderHoldCount");
  const auto state =
      field_of(klass, "java/util/concurrent/locks/AbstractQueuedSynchronizer", "state");
  if (!reader || !count || !state) return std::nullopt;
  const std::uint32_t all = vm_->read_int(object + *state).value_or(0) >> kSharedShift;
  if (all == 0 || vm_->read_int(object + *count) != all) return std::nullopt;
  return object + *reader;
}

bool Heap::is_owner(const Synchronizer& lock, std::uint64_t thread_object) const {
  return narrow_reference(lock.owner_at) == thread_object ||
         vm_->read(lock.owner_at) == thread_object;
}

}  // namespace ipcdoctor::runtime::hotspot
