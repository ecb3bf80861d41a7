#include "unwind/symbol_table.h"

#include <cxxabi.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <memory>

#define HAVE_DECL_BASENAME 1  // libiberty.h: string.h has it
#include <libiberty/demangle.h>

#include "base/text.h"
#include "linux/confined.h"
#include "unwind/xz.h"

namespace ipcdoctor::unwind {
namespace {

constexpr std::size_t kMaxSymbols = 4 << 20;
constexpr std::size_t kMaxMiniDebugInfo = 64 << 20;
constexpr std::size_t kMaxName = 1024;
constexpr std::size_t kUnsortedLookups = 16;
constexpr int kMaxNested = 64;
constexpr std::uint64_t kMaxUnsized =
    4096;  ///< a symbol without a size never covers more than this

/// Whether a name of Rust's v0 scheme ("_R") stays small: its back references may each stand for
/// all that is before them, so that they could double it again and again (RFC 2603).
bool may_be_expanded(std::string_view name) {
  constexpr std::size_t kMaxReferences = 24;
  std::size_t references = 0;
  for (std::size_t at = name.find('B'); at != name.npos; at = name.find('B', at + 1)) {
    const std::size_t end = name.find_first_not_of(
        "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", at + 1);
    if (end != name.npos && name[end] == '_') ++references;
  }
  return references <= kMaxReferences;
}

/// unpack_xz() in a process of its own.
Result<std::vector<std::byte>> unpack_without_rights(std::span<const std::byte> packed) {
  linux::Confinement confinement;
  confinement.answer = kMaxMiniDebugInfo + 1;
  auto reader = linux::Confined::start(confinement, -1, [packed](std::string_view) {
    const auto bytes = unpack_xz(packed, kMaxMiniDebugInfo);
    if (!bytes) return std::string();
    return "+" + std::string(reinterpret_cast<const char*>(bytes->data()), bytes->size());
  });
  if (!reader) return reader.error();
  constexpr std::chrono::seconds kPatience{1};
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  const auto answer =
      reader->ask("", [deadline] { return std::chrono::steady_clock::now() < deadline; });
  if (!answer)
    return Error{answer.error().cause, 0,
                 "unpack symbols: the reader of xz " + answer.error().what};
  if (answer->empty()) return Error{Cause::Malformed, 0, "unpack an xz stream"};
  const auto bytes = std::as_bytes(std::span(*answer).subspan(1));
  return std::vector<std::byte>(bytes.begin(), bytes.end());
}

/// Of several names of one address: a public one, with few leading underscores ("read", not
/// "__read").
std::uint8_t rank_of(const Elf64_Sym& symbol, const char* name) {
  const std::size_t underscores = std::min<std::size_t>(std::strspn(name, "_"), 15);
  const bool local = ELF64_ST_BIND(symbol.st_info) == STB_LOCAL;
  return static_cast<std::uint8_t>(underscores * 2 + (local ? 1 : 0));
}

}  // namespace

SymbolTable SymbolTable::read(const ElfFile& elf) {
  SymbolTable table;
  table.add(elf, SHT_SYMTAB);
  table.add(elf, SHT_DYNSYM);
  if (elf.find_section(SHT_SYMTAB) == nullptr) table.add_mini_debug_info(elf);
  return table;
}

void SymbolTable::add(const ElfFile& elf, std::uint32_t type) {
  const ElfFile::Section* section = elf.find_section(type);
  if (section == nullptr || section->entry_size != sizeof(Elf64_Sym) ||
      section->link >= elf.sections().size())
    return;
  const ElfFile::Section& strings = elf.sections()[section->link];
  if (strings.type != SHT_STRTAB) return;
  const auto raw = elf.read_bytes(*section);
  auto text = elf.read_bytes(strings);
  if (!raw || !text) return;
  const std::span<const std::byte> names = text->span();
  if (names.empty() || names.back() != std::byte{0} || names.size() > UINT32_MAX) return;
  if (type == SHT_SYMTAB) functions_.unsized = true;
  const auto* chars = reinterpret_cast<const char*>(names.data());
  const std::size_t count = std::min(raw->span().size() / sizeof(Elf64_Sym), kMaxSymbols);
  functions_.symbols.reserve(functions_.symbols.size() + count);
  for (std::size_t i = 0; i < count; ++i) {
    Elf64_Sym s;
    std::memcpy(&s, raw->span().data() + i * sizeof s, sizeof s);
    const unsigned kind = ELF64_ST_TYPE(s.st_info);
    const bool function = kind == STT_FUNC || kind == STT_GNU_IFUNC;
    if ((!function && kind != STT_OBJECT) || s.st_shndx == SHN_UNDEF || s.st_name >= names.size())
      continue;
    if (s.st_value + s.st_size < s.st_value || chars[s.st_name] == '\0') continue;
    Symbol symbol{.address = s.st_value,
                  .size = s.st_size,
                  .name = s.st_name,
                  .table = static_cast<std::uint8_t>(strings_.size()),
                  .function = function,
                  .rank = rank_of(s, chars + s.st_name)};
    (function ? functions_ : variables_).symbols.push_back(symbol);
  }
  strings_.push_back(*std::move(text));
}

// An ELF file in a section of a stripped one, with the symbols that .dynsym lacks; see gdb,
// "MiniDebugInfo". Distributions of the Fedora family have it in every program.
void SymbolTable::add_mini_debug_info(const ElfFile& elf) {
  const ElfFile::Section* section = elf.find_section(".gnu_debugdata");
  if (section == nullptr) return;
  const auto packed = elf.read(*section);
  if (!packed) return;
  auto unpacked = unpack_without_rights(*packed);
  if (!unpacked) {
    if (unpacked.error().cause != Cause::Malformed) unpacked_ = unpacked.error();
    return;
  }
  const auto mini = ElfFile::parse(*std::move(unpacked));
  if (mini) add(*mini, SHT_SYMTAB);
}

/// By address; of equal ones the largest and best named first.
bool SymbolTable::is_before(const Symbol& a, const Symbol& b) const {
  if (a.address != b.address) return a.address < b.address;
  if (a.size != b.size) return a.size > b.size;
  return a.rank != b.rank ? a.rank < b.rank : name_of(a) < name_of(b);
}

const SymbolTable::Symbol* SymbolTable::find(Kind& kind, std::uint64_t address) const {
  if (!kind.sorted && ++kind.lookups <= kUnsortedLookups) return find_linear(kind, address);
  if (!kind.sorted) {
    std::ranges::sort(kind.symbols,
                      [this](const Symbol& a, const Symbol& b) { return is_before(a, b); });
    kind.sorted = true;
  }
  return find_sorted(kind, address);
}

/// The covering symbol that begins nearest; one without a size only if nothing else begins nearer.
const SymbolTable::Symbol* SymbolTable::find_linear(const Kind& kind, std::uint64_t address) const {
  const Symbol* covering = nullptr;
  const Symbol* nearest = nullptr;
  const auto is_better = [this](const Symbol& s, const Symbol* than) {
    return than == nullptr || s.address > than->address ||
           (s.address == than->address && is_before(s, *than));
  };
  for (const Symbol& s : kind.symbols) {
    if (s.address > address) continue;
    if (address - s.address < s.size && is_better(s, covering)) covering = &s;
    if (is_better(s, nearest)) nearest = &s;
  }
  const bool bare = kind.unsized && nearest != nullptr && nearest->size == 0 &&
                    address - nearest->address < kMaxUnsized;
  return bare ? nearest : covering;
}

const SymbolTable::Symbol* SymbolTable::find_sorted(const Kind& kind, std::uint64_t address) {
  const std::vector<Symbol>& sorted = kind.symbols;
  auto it = std::ranges::upper_bound(sorted, address, {}, &Symbol::address);
  // A nested symbol may begin nearer than the one that covers the address: look back a little.
  for (int steps = 0; it != sorted.begin() && steps < kMaxNested; ++steps) {
    const std::uint64_t start = std::prev(it)->address;
    const auto first = std::ranges::lower_bound(sorted.begin(), it, start, {}, &Symbol::address);
    // sorted by size descending: the first of equal addresses is the largest
    const bool covers = first->size > 0
                            ? address - start < first->size
                            : kind.unsized && steps == 0 && address - start < kMaxUnsized;
    if (covers) return &*first;
    it = first;
  }
  return nullptr;
}

std::string_view SymbolTable::name_of(const Symbol& symbol) const {
  return reinterpret_cast<const char*>(strings_[symbol.table].span().data()) + symbol.name;
}

std::optional<std::uint64_t> SymbolTable::address_of(std::string_view name) const {
  for (const Kind* kind : {&functions_, &variables_}) {
    const auto it = std::ranges::find_if(kind->symbols, [&](const Symbol& s) {
      const std::span<const std::byte> rest = strings_[s.table].span().subspan(s.name);
      return rest.size() > name.size() && rest[name.size()] == std::byte{0} &&
             std::memcmp(rest.data(), name.data(), name.size()) == 0;
    });
    if (it != kind->symbols.end()) return it->address;
  }
  return std::nullopt;
}

std::vector<SymbolTable::Symbol> SymbolTable::variables_named(std::string_view prefix) const {
  std::vector<Symbol> found;
  std::ranges::copy_if(variables_.symbols, std::back_inserter(found),
                       [&](const Symbol& s) { return name_of(s).starts_with(prefix); });
  return found;
}

std::string demangle(std::string_view name) {
  const std::string bounded(name.substr(0, kMaxName));
  using Text = std::unique_ptr<char, decltype(&std::free)>;
  Text plain(nullptr, &std::free);
  if (bounded.size() < kMaxName && may_be_expanded(bounded))
    plain.reset(rust_demangle(bounded.c_str(), DMGL_NO_OPTS));
  int status = 0;
  if (!plain && bounded.starts_with("_Z") && bounded.size() < kMaxName)
    plain.reset(abi::__cxa_demangle(bounded.c_str(), nullptr, nullptr, &status));
  return escape_untrusted(
      std::string_view(plain ? plain.get() : bounded.c_str()).substr(0, kMaxName));
}

}  // namespace ipcdoctor::unwind
