#include "runtime/ruby/vm.h"

#include <algorithm>
#include <span>

namespace ipcdoctor::runtime::ruby {
namespace {

constexpr std::size_t kMaxText = 4096;
constexpr std::size_t kMaxScan = 4 << 20;  // bytes of the image's writable data
constexpr std::uint64_t kString = 0x05, kArray = 0x07, kData = 0x0c, kInternal = 0x1a;  // T_...
constexpr std::uint64_t kTypes = 0x1f;
constexpr std::uint64_t kUser1 = std::uint64_t{1} << 13;  // FL_USER1
constexpr std::uint64_t kInstructions = 7;                // imemo_iseq
/// Names in an Array of rb_symbols_t.ids, each with its Symbol (symbol.c).
constexpr std::uint64_t kNames = 512;

/// The writable data of the image that is mapped at the address, .bss with it.
std::vector<std::uint64_t> writable_data(const linux::AddressSpace& space, RemoteAddr address) {
  const auto& maps = space.maps();
  const linux::Mapping* own = linux::find_mapping(maps, address);
  std::vector<std::uint64_t> words;
  if (own == nullptr || own->ino == 0) return words;
  std::uint64_t end = 0;
  for (const linux::Mapping& mapping : maps) {
    const bool of_file = mapping.ino == own->ino && mapping.dev == own->dev;
    const bool bss = mapping.ino == 0 && mapping.path.empty() && mapping.start == end;
    if (!mapping.writable || mapping.shared || !(of_file || bss)) continue;
    end = mapping.end;
    const std::size_t had = words.size();
    const std::size_t bytes =
        std::min<std::size_t>(mapping.end - mapping.start, kMaxScan - std::min(kMaxScan, had * 8));
    words.resize(had + bytes / 8);
    const auto part = std::span(words).subspan(had);
    if (!space.memory.read(RemoteAddr{mapping.start}, std::as_writable_bytes(part)))
      words.resize(had);
  }
  return words;
}

bool is_pointer(std::uint64_t value) {
  return value % 8 == 0 && value >= 4096 && value < (std::uint64_t{1} << 47);
}

}  // namespace

Result<Vm> Vm::find(const linux::AddressSpace& space, unwind::Images& images) {
  auto text_at = images.address_of(space, "libruby", "ruby_version");
  if (!text_at) text_at = images.address_of(space, "ruby", "ruby_version");
  if (!text_at) return Error{Cause::Unsupported, 0, "find a Ruby"};
  const auto text = space.memory.read_string(*text_at, 16);
  if (!text) return text.error();
  const auto version = parse_version(*text);
  const auto layout = version ? layout_of(*version) : std::nullopt;
  if (!layout)
    return Error{Cause::Malformed, 0,
                 "read Ruby " + (version ? std::to_string(version->major) + "." +
                                               std::to_string(version->minor)
                                         : std::string("of an unknown version"))};
  Vm vm(space, *layout);
  vm.version_ = *text;
  if (!vm.find_in(writable_data(space, *text_at)))
    return Error{Cause::Malformed, 0, "find the virtual machine of Ruby " + *text};
  return vm;
}

/// Its main thread leads back to it.
bool Vm::is_vm(std::uint64_t address) const {
  const std::uint64_t thread = remote_.pointer(address + layout_.vm_main_thread);
  if (thread == 0 || remote_.word(thread + layout_.th_vm) != address) return false;
  const std::uint64_t context = remote_.pointer(thread + layout_.th_ec);
  return context != 0 && remote_.word(context + layout_.ec_thread) == thread;
}

/// Neither ruby_current_vm_ptr nor ruby_global_symbols, {u32 last_id; st_table *; VALUE ids; ...},
/// has a symbol in a stripped library: they are known by what they hold.
bool Vm::find_in(const std::vector<std::uint64_t>& words) {
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (address_ == 0 && is_pointer(words[i]) && is_vm(words[i])) address_ = words[i];
    const bool may_be_names = names_ == 0 && i + 2 < words.size() && words[i] >= kNames &&
                              words[i] < (std::uint64_t{1} << 28) && is_pointer(words[i + 1]) &&
                              is_pointer(words[i + 2]);
    if (may_be_names && length(words[i + 2]) == words[i] / kNames + 1) names_ = words[i + 2];
  }
  return address_ != 0;
}

std::uint64_t Vm::type_of(std::uint64_t value) const {
  return is_pointer(value) ? remote_.word(value) & kTypes : 0;
}

std::string Vm::string(std::uint64_t value) const {
  if (type_of(value) != kString) return "";
  const std::uint64_t flags = remote_.word(value);
  const bool is_short = (flags & kUser1) == 0;
  std::uint64_t size = remote_.word(value + 16), at = value + 24;
  if (!is_short) at = remote_.word(value + 24);  // a literal of C is not aligned
  if (is_short && layout_.packs_lengths) size = flags >> 14 & 0x1f, at = value + 16;
  if (at == 0 || size > kMaxText) return "";
  std::string text(size, '\0');
  return remote_.read(at, std::as_writable_bytes(std::span(text))) ? text : "";
}

std::uint64_t Vm::length(std::uint64_t array) const {
  if (type_of(array) != kArray) return 0;
  const std::uint64_t flags = remote_.word(array);
  return (flags & kUser1) != 0 ? flags >> 15 & (layout_.packs_lengths ? 3 : 0x7f)
                               : remote_.word(array + 16);
}

std::uint64_t Vm::element(std::uint64_t array, std::uint64_t index) const {
  if (index >= length(array)) return 0;
  const bool is_short = (remote_.word(array) & kUser1) != 0;
  const std::uint64_t first = is_short ? array + 16 : remote_.pointer(array + 32);
  return first == 0 ? 0 : remote_.word(first + 8 * index);
}

Vm::Data Vm::data(std::uint64_t value) const {
  if (type_of(value) != kData) return {};
  const std::uint64_t type = remote_.pointer(value + 16), flag = remote_.word(value + 24);
  if (type == 0 || (flag & ~std::uint64_t{2}) != 1) return {};  // no RTypedData
  const std::uint64_t name = remote_.word(type);
  const bool embedded = (flag & 2) != 0;
  return {remote_.text(name, 64), embedded ? value + 32 : remote_.pointer(value + 32)};
}

std::string Vm::name(std::uint64_t id) const {
  constexpr std::uint64_t kLastOperator = 170;  // tLAST_OP_ID, or a little above
  if (names_ == 0 || id <= kLastOperator) return "";
  const std::uint64_t serial = id >> 4;  // ID_SCOPE_SHIFT
  return string(element(element(names_, serial / kNames), serial % kNames * 2));
}

bool Vm::is_code(std::uint64_t iseq) const {
  if (!is_pointer(iseq)) return false;
  const std::uint64_t flags = remote_.word(iseq);
  return (flags & kTypes) == kInternal && (flags >> 12 & 0xf) == kInstructions;
}

std::string Vm::file_of(std::uint64_t body) const {
  const std::uint64_t path = remote_.word(body + 64);  // location.pathobj
  return type_of(path) == kArray ? string(element(path, 0)) : string(path);
}

int Vm::first_line_of(std::uint64_t body) const {
  const std::uint64_t at = body + 88;  // location.first_lineno
  const std::int64_t line =
      layout_.packs_first_line ? remote_.get<std::int64_t>(at) >> 1 : remote_.get<std::int32_t>(at);
  return line > 0 && line < 10'000'000 ? static_cast<int>(line) : 0;
}

}  // namespace ipcdoctor::runtime::ruby
