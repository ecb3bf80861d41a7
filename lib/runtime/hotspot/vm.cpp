#include "runtime/hotspot/vm.h"

#include <algorithm>
#include <span>

namespace ipcdoctor::runtime::hotspot {
namespace {

constexpr std::size_t kMaxEntries = 20'000;
constexpr std::size_t kMaxName = 256;
constexpr std::size_t kMaxLoaders = 100'000;
constexpr std::size_t kMaxClasses = 50'000;
constexpr char kLibrary[] = "libjvm.so";

std::string key_of(std::string_view type, std::string_view name) {
  return std::string(type) + "::" + std::string(name);
}

}  // namespace

std::uint64_t Vm::exported(unwind::Images& images, const char* symbol) const {
  const auto address = images.address_of(*space_, kLibrary, symbol);
  return address ? read(address->value).value_or(0) : 0;
}

Result<Vm> Vm::find(const linux::AddressSpace& space, unwind::Images& images) {
  if (!images.address_of(space, kLibrary, "gHotSpotVMStructs"))
    return Error{Cause::Unsupported, 0, "find a JVM"};
  Vm vm(space);
  if (!vm.read_members(images) || !vm.read_types(images))
    return Error{Cause::Malformed, 0, "read the tables of a JVM"};
  return vm;
}

bool Vm::read_members(unwind::Images& images) {
  const std::uint64_t stride = exported(images, "gHotSpotVMStructEntryArrayStride");
  const std::uint64_t type_at = exported(images, "gHotSpotVMStructEntryTypeNameOffset");
  const std::uint64_t name_at = exported(images, "gHotSpotVMStructEntryFieldNameOffset");
  const std::uint64_t static_at = exported(images, "gHotSpotVMStructEntryIsStaticOffset");
  const std::uint64_t offset_at = exported(images, "gHotSpotVMStructEntryOffsetOffset");
  const std::uint64_t address_at = exported(images, "gHotSpotVMStructEntryAddressOffset");
  std::uint64_t entry = exported(images, "gHotSpotVMStructs");
  if (entry == 0 || stride == 0) return false;
  for (std::size_t i = 0; i < kMaxEntries; ++i, entry += stride) {
    const auto type = read(entry + type_at), name = read(entry + name_at);
    if (!type || !name) return false;
    if (*type == 0) return !members_.empty();
    const auto type_text = space_->memory.read_string(RemoteAddr{*type}, kMaxName);
    const auto name_text = space_->memory.read_string(RemoteAddr{*name}, kMaxName);
    const auto is_static = read_int(entry + static_at);
    const auto value = read(entry + (is_static.value_or(0) != 0 ? address_at : offset_at));
    if (!type_text || !name_text || !is_static || !value) return false;
    members_.emplace(key_of(*type_text, *name_text), *value);
  }
  return false;
}

bool Vm::read_types(unwind::Images& images) {
  const std::uint64_t stride = exported(images, "gHotSpotVMTypeEntryArrayStride");
  const std::uint64_t name_at = exported(images, "gHotSpotVMTypeEntryTypeNameOffset");
  const std::uint64_t size_at = exported(images, "gHotSpotVMTypeEntrySizeOffset");
  std::uint64_t entry = exported(images, "gHotSpotVMTypes");
  if (entry == 0 || stride == 0) return false;
  for (std::size_t i = 0; i < kMaxEntries; ++i, entry += stride) {
    const auto name = read(entry + name_at), size = read(entry + size_at);
    if (!name || !size) return false;
    if (*name == 0) return !sizes_.empty();
    const auto text = space_->memory.read_string(RemoteAddr{*name}, kMaxName);
    if (!text) return false;
    sizes_.emplace(*text, *size);
  }
  return false;
}

std::optional<std::uint64_t> Vm::member(std::string_view type, std::string_view name) const {
  const auto it = members_.find(key_of(type, name));
  return it == members_.end() ? std::nullopt : std::optional(it->second);
}

std::optional<std::uint64_t> Vm::size_of(std::string_view type) const {
  const auto it = sizes_.find(type);
  return it == sizes_.end() ? std::nullopt : std::optional(it->second);
}

std::optional<std::uint64_t> Vm::read(std::uint64_t address) const {
  const auto value = space_->memory.read_u64(RemoteAddr{address});
  return value ? std::optional(*value) : std::nullopt;
}

std::optional<std::uint32_t> Vm::read_int(std::uint64_t address) const {
  const auto value = space_->memory.read_u32(RemoteAddr{address});
  return value ? std::optional(*value) : std::nullopt;
}

std::optional<std::uint16_t> Vm::read_short(std::uint64_t address) const {
  const auto value = space_->memory.read_object<std::uint16_t>(RemoteAddr{address});
  return value ? std::optional(*value) : std::nullopt;
}

std::uint64_t Vm::pointer(std::uint64_t object, std::string_view type,
                          std::string_view name) const {
  const auto offset = member(type, name);
  return object == 0 || !offset ? 0 : read(object + *offset).value_or(0);
}

std::uint64_t Vm::pointer(std::string_view type, std::string_view name) const {
  const auto address = member(type, name);
  return address ? read(*address).value_or(0) : 0;
}

std::optional<std::string> Vm::symbol(std::uint64_t address) const {
  constexpr std::uint16_t kLongest = 1024;
  const auto length_at = member("Symbol", "_length"), body_at = member("Symbol", "_body");
  if (address == 0 || !length_at || !body_at) return std::nullopt;
  const auto length = read_short(address + *length_at);
  if (!length || *length > kLongest) return std::nullopt;
  std::string text(*length, '\0');
  if (!space_->memory.read(RemoteAddr{address + *body_at}, std::as_writable_bytes(std::span(text))))
    return std::nullopt;
  return text;
}

std::string Vm::class_name(std::uint64_t klass) const {
  return symbol(pointer(klass, "Klass", "_name")).value_or("");
}

std::optional<std::string> Vm::constant_text(std::uint64_t pool, std::uint16_t index) const {
  const auto size = size_of("ConstantPool"), count_at = member("ConstantPool", "_length");
  if (!size || !count_at || index >= read_int(pool + *count_at).value_or(0)) return std::nullopt;
  return symbol(read(pool + *size + index * std::uint64_t{8}).value_or(0));
}

bool Vm::lacks_boot_classes(std::initializer_list<std::string_view> names) const {
  const auto head = member("ClassLoaderDataGraph", "_head");
  const auto next = member("ClassLoaderData", "_next");
  const auto handle = member("ClassLoaderData", "_class_loader");
  const auto first = member("ClassLoaderData", "_klasses");
  const auto link = member("Klass", "_next_link");
  if (!head || !next || !handle || !first || !link) return false;
  std::size_t loaders = 0, classes = 0;
  auto loader = read(*head);
  // hidden classes of the boot loader have an entry of their own
  for (; loader && *loader != 0; loader = read(*loader + *next)) {
    const auto object = read(*loader + *handle);
    if (!object || ++loaders > kMaxLoaders) return false;
    if (*object != 0) continue;
    auto klass = read(*loader + *first);
    for (; klass && *klass != 0; klass = read(*klass + *link)) {
      const std::string found = class_name(*klass);
      if (found.empty() || ++classes > kMaxClasses) return false;
      if (std::ranges::find(names, found) != names.end()) return false;
    }
    if (!klass) return false;
  }
  return loader && classes > 0;
}

}  // namespace ipcdoctor::runtime::hotspot
