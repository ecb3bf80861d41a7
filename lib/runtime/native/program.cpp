#include "runtime/native/program.h"

#include <elf.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "base/text.h"
#include "unwind/frame_pointer.h"

namespace ipcdoctor::runtime::native {
namespace {

using unwind::ElfFile;
using unwind::Image;

constexpr std::size_t kWindow = 64;
constexpr std::size_t kMaxSymbols = 1 << 20;
constexpr std::size_t kMaxTargets = 8;

template <class T>
std::vector<T> entries_of(const ElfFile& elf, const ElfFile::Section& section) {
  const auto raw = elf.read_bytes(section);
  if (!raw || section.entry_size != sizeof(T)) return {};
  std::vector<T> entries(std::min(raw->span().size() / sizeof(T), kMaxSymbols));
  if (!entries.empty()) std::memcpy(entries.data(), raw->span().data(), entries.size() * sizeof(T));
  return entries;
}

/// A table of strings; every one that is asked for ends.
class Names {
 public:
  Names(const ElfFile& elf, std::uint32_t link) {
    if (link >= elf.sections().size()) return;
    if (auto raw = elf.read_bytes(elf.sections()[link])) bytes_ = std::move(*raw);
    if (!bytes_.span().empty() && bytes_.span().back() != std::byte{0}) bytes_ = {};
  }
  std::string_view at(std::uint64_t offset) const {
    if (offset >= bytes_.span().size()) return {};
    return reinterpret_cast<const char*>(bytes_.span().data()) + offset;
  }
  /// What at() gave stays where it is.
  unwind::OwnedBytes take() && { return std::move(bytes_); }

 private:
  unwind::OwnedBytes bytes_;
};

std::string soname_of(const ElfFile& elf) {
  const ElfFile::Section* section = elf.find_section(SHT_DYNAMIC);
  if (section == nullptr) return "";
  const Names names(elf, section->link);
  for (const auto& entry : entries_of<Elf64_Dyn>(elf, *section))
    if (entry.d_tag == DT_SONAME) return std::string(names.at(entry.d_un.d_val));
  return "";
}

Linkage::Kind kind_of(const std::string& soname) {
  static constexpr std::array<std::string_view, 9> kC = {"libc.so.6",
                                                         "libpthread.so.0",
                                                         "librt.so.1",
                                                         "libdl.so.2",
                                                         "ld-linux-x86-64.so.2",
                                                         "libc.musl-x86_64.so.1",
                                                         "libc.so",
                                                         "libm.so.6",
                                                         "ld-musl-x86_64.so.1"};
  static constexpr std::array<std::string_view, 2> kCxx = {"libstdc++.so.6", "libgcc_s.so.1"};
  if (std::ranges::find(kC, soname) != kC.end()) return Linkage::Kind::CLibrary;
  if (std::ranges::find(kCxx, soname) != kCxx.end()) return Linkage::Kind::CxxLibrary;
  return Linkage::Kind::Other;
}

void read_dynamic_symbols(const ElfFile& elf, Linkage& linkage) {
  const ElfFile::Section* section = elf.find_section(SHT_DYNSYM);
  if (section == nullptr) return;
  Names names(elf, section->link);
  const auto symbols = entries_of<Elf64_Sym>(elf, *section);
  linkage.exports.reserve(symbols.size());  // a big program defines a hundred thousand
  for (const Elf64_Sym& symbol : symbols) {
    const auto name = names.at(symbol.st_name);
    if (name.empty()) continue;
    if (symbol.st_shndx == SHN_UNDEF)
      linkage.imports.emplace(name);
    else if (ELF64_ST_BIND(symbol.st_info) != STB_LOCAL)
      linkage.exports.emplace(name, symbol.st_value);
  }
  for (const ElfFile::Section& relocations : elf.sections()) {
    if (relocations.type != SHT_RELA || (relocations.flags & SHF_ALLOC) == 0) continue;
    for (const auto& entry : entries_of<Elf64_Rela>(elf, relocations)) {
      const auto type = ELF64_R_TYPE(entry.r_info);
      const auto index = ELF64_R_SYM(entry.r_info);
      const bool filled = type == R_X86_64_JUMP_SLOT || type == R_X86_64_GLOB_DAT;
      if (filled && index != 0 && index < symbols.size())
        linkage.slots.emplace(entry.r_offset, names.at(symbols[index].st_name));
    }
  }
  linkage.names = std::move(names).take();
}

/// A name that no program may define: two underscores, or one and a capital letter.
bool is_reserved(std::string_view name) {
  return name.size() > 2 && name[0] == '_' &&
         (name[1] == '_' || (name[1] >= 'A' && name[1] <= 'Z'));
}

/// In a program that has the C library in itself, names prove nothing: the program's own function
/// may be called as the library's, which then is left out. But the library's have a second,
/// reserved name at the same place.
void trust_reserved_names(const unwind::SymbolTable& symbols, Linkage& linkage) {
  std::unordered_set<std::uint64_t> reserved;
  for (const auto& symbol : symbols.functions())
    if (is_reserved(symbols.name_of(symbol))) reserved.insert(symbol.address);
  std::erase_if(linkage.known, [&](const auto& entry) { return !reserved.contains(entry.first); });
}

void read_known_functions(Image& image, Linkage& linkage) {
  const unwind::SymbolTable& symbols = image.symbols();
  bool has_create = false;
  int starts = 0;
  for (const auto& symbol : symbols.functions()) {
    const std::string_view name = symbols.name_of(symbol);
    const Known* known =
        linkage.kind == Linkage::Kind::CxxLibrary ? find_cxx_function(name) : find_function(name);
    if (known == nullptr && linkage.kind == Linkage::Kind::Static) known = find_cxx_function(name);
    if (known != nullptr) linkage.known.emplace(symbol.address, known);
    has_create = has_create || name == "pthread_create" || name == "__pthread_create";
    if (name != "start_thread" || symbol.address == linkage.thread_start) continue;
    ++starts;
    linkage.thread_start = symbol.address;
    linkage.thread_start_end = symbol.address + symbol.size;
  }
  if (starts != 1 || !has_create) linkage.thread_start = linkage.thread_start_end = 0;
  if (linkage.kind == Linkage::Kind::Static) trust_reserved_names(symbols, linkage);
}

/// Go: it says so in its sections.
bool is_foreign(const Image& image) {
  return image.elf().find_section(".gopclntab") != nullptr ||
         image.elf().find_section(".note.go.buildid") != nullptr;
}

/// Other languages keep registers in their own way: by a function that all their programs have.
bool has_foreign_code(Image& image) {
  const unwind::SymbolTable& symbols = image.symbols();
  return std::ranges::any_of(symbols.functions(), [&](const auto& symbol) {
    const std::string_view name = symbols.name_of(symbol);
    return name == "runtime.morestack" || name == "caml_call_gc" || name == "stg_upd_frame_info";
  });
}

Linkage read_linkage(Image& image) {
  Linkage linkage;
  linkage.soname = soname_of(image.elf());
  linkage.kind = kind_of(linkage.soname);
  read_dynamic_symbols(image.elf(), linkage);
  if (linkage.kind == Linkage::Kind::Other) {
    const bool loaded = std::ranges::any_of(
        image.elf().segments(), [](const Elf64_Phdr& s) { return s.p_type == PT_INTERP; });
    if (is_foreign(image)) {
      linkage.kind = Linkage::Kind::Foreign;
    } else if (!loaded && image.symbols().address_of("__libc_start_main") &&
               image.symbols().address_of("_start")) {
      linkage.kind = Linkage::Kind::Static;
    }
  }
  if (linkage.kind != Linkage::Kind::Other && linkage.kind != Linkage::Kind::Foreign)
    read_known_functions(image, linkage);
  return linkage;
}

}  // namespace

unwind::Place Program::place_at(std::uint64_t address) {
  if (address < place_.begin || address >= place_.end) {
    const auto found = images_.find(space_, address);
    place_ = found ? *found : unwind::Place{};
  }
  return place_;
}

unwind::Image* Program::image_at(std::uint64_t address) {
  return place_at(address).image;
}

const Linkage& Program::linkage_of(unwind::Image& image) {
  const auto known = linkages_.find(&image);
  if (known != linkages_.end()) return known->second;
  return linkages_.emplace(&image, read_linkage(image)).first->second;
}

const Linkage* Program::linkage_at(std::uint64_t address) {
  Image* image = image_at(address);
  return image == nullptr ? nullptr : &linkage_of(*image);
}

bool Program::is_foreign(std::uint64_t address) {
  Image* image = image_at(address);
  if (image == nullptr) return false;
  (void)linkage_of(*image);
  Linkage& linkage = linkages_.at(image);
  if (linkage.kind != Linkage::Kind::Other) return linkage.kind == Linkage::Kind::Foreign;
  if (!linkage.foreign_code) linkage.foreign_code = has_foreign_code(*image);
  return *linkage.foreign_code;
}

bool Program::in_vdso(std::uint64_t address) {
  const Image* image = image_at(address);
  return image != nullptr && image->path() == "[vdso]";
}

std::span<const std::uint8_t> Program::code_at(std::uint64_t address) {
  constexpr std::size_t kLongest = 15;  // an instruction
  const bool inside =
      address >= window_begin_ && address < window_end_ && window_end_ - address <= window_.size();
  const std::uint64_t left = inside ? window_end_ - address : 0;
  if (left < kLongest) {
    window_.clear();
    window_begin_ = window_end_ = 0;
    const linux::Mapping* mapping = linux::find_mapping(space_.maps(), RemoteAddr{address});
    const bool is_code = mapping != nullptr && mapping->executable && !mapping->writable &&
                         (mapping->ino != 0 || mapping->path == "[vdso]");
    if (!is_code || image_at(address) == nullptr) return {};
    window_.resize(std::min<std::uint64_t>(kWindow * 16, mapping->end - address));
    if (!space_.memory.read(RemoteAddr{address}, std::as_writable_bytes(std::span(window_)))) {
      window_.clear();
      return {};
    }
    window_begin_ = address;
    window_end_ = address + window_.size();
  }
  const std::span<const std::uint8_t> all(window_);
  const std::size_t from = static_cast<std::size_t>(address - window_begin_);
  return all.subspan(from, std::min(kWindow, all.size() - from));
}

const Known* Program::known_at(std::uint64_t address) {
  const unwind::Place place = place_at(address);
  if (place.image == nullptr) return nullptr;
  const Linkage& linkage = linkage_of(*place.image);
  const auto it = linkage.known.find(address - place.bias);
  return it == linkage.known.end() ? nullptr : it->second;
}

const Known* Program::known_around(std::uint64_t address) {
  const unwind::Place place = place_at(address);
  if (place.image == nullptr) return nullptr;
  const Linkage& linkage = linkage_of(*place.image);
  if (linkage.known.empty()) return nullptr;
  const auto* symbol = place.image->symbols().find_function(address - place.bias);
  if (symbol == nullptr) return nullptr;
  const auto it = linkage.known.find(symbol->address);
  return it == linkage.known.end() ? nullptr : it->second;
}

const Known* Program::known_called_at(std::uint64_t return_address) {
  const auto callee = unwind::find_callee(space_, images_, return_address);
  return callee ? known_at(*callee) : nullptr;
}

std::optional<std::uint64_t> Program::read_constant(std::uint64_t address, std::size_t size) {
  const linux::Mapping* mapping = linux::find_mapping(space_.maps(), RemoteAddr{address});
  const bool constant = mapping != nullptr && !mapping->writable && mapping->ino != 0;
  return constant ? read_variable(address, size) : std::nullopt;
}

std::optional<std::uint64_t> Program::read_variable(std::uint64_t address, std::size_t size) const {
  const linux::Mapping* mapping = linux::find_mapping(space_.maps(), RemoteAddr{address});
  const bool own =
      mapping != nullptr && mapping->readable && !mapping->shared && size <= mapping->end - address;
  std::uint64_t value = 0;
  if (!own || size > sizeof value ||
      !space_.memory.read(RemoteAddr{address},
                          std::as_writable_bytes(std::span(&value, 1)).first(size)))
    return std::nullopt;
  return value;
}

bool Program::is_shared(std::uint64_t address) const {
  const linux::Mapping* mapping = linux::find_mapping(space_.maps(), RemoteAddr{address});
  return mapping == nullptr || mapping->shared;
}

std::vector<std::uint64_t> Program::targets_of_slot(std::uint64_t address) {
  // the data segment may be mapped apart from the code: any mapping of the image gives its bias
  const unwind::Place place = place_at(address);
  if (place.image == nullptr) return {};
  const Linkage& linkage = linkage_of(*place.image);
  const auto slot = linkage.slots.find(address - place.bias);
  if (slot == linkage.slots.end()) return {};
  const auto value = space_.memory.read_u64(RemoteAddr{address});
  if (!value) return {};
  const std::string name = slot->second;  // place_ may change below
  const bool is_bound = std::ranges::none_of(place.image->elf().sections(), [&](const auto& s) {
    return s.name.starts_with(".plt") && *value - place.bias - s.address < s.size;
  });
  if (is_bound) return {*value};
  // not called yet: the linker will take the first definition in its order, which is one of these
  return definitions_of(name);
}

std::string Program::name_of_slot(std::uint64_t address) {
  const unwind::Place place = place_at(address);
  if (place.image == nullptr) return "";
  const Linkage& linkage = linkage_of(*place.image);
  const auto slot = linkage.slots.find(address - place.bias);
  return slot == linkage.slots.end() ? "" : slot->second;
}

bool Program::exports(std::uint64_t address, const std::string& symbol) {
  return address_of(address, symbol) != 0;
}

std::uint64_t Program::address_of(std::uint64_t address, const std::string& symbol) {
  const unwind::Place place = place_at(address);
  if (place.image == nullptr) return 0;
  const Linkage& linkage = linkage_of(*place.image);
  const auto it = linkage.exports.find(symbol);
  return it == linkage.exports.end() ? 0 : it->second + place.bias;
}

std::uint64_t Program::link_address(std::uint64_t address) {
  const unwind::Place place = place_at(address);
  return place.image == nullptr ? 0 : address - place.bias;
}

std::vector<std::uint64_t> Program::definitions_of(const std::string& symbol) {
  if (!all_) {
    all_.emplace();
    std::unordered_set<const Image*> seen;
    for (const linux::Mapping& mapping : space_.maps()) {
      if (!mapping.executable || mapping.path == "[vsyscall]") continue;
      const auto place = images_.find(space_, mapping);
      if (!place) all_seen_ = false;
      if (place && seen.insert(place->image).second) all_->push_back(*place);
    }
  }
  std::vector<std::uint64_t> found;
  for (const unwind::Place& place : *all_) {
    const Linkage& linkage = linkage_of(*place.image);
    const auto it = linkage.exports.find(symbol);
    if (it != linkage.exports.end()) found.push_back(it->second + place.bias);
  }
  if (found.size() > kMaxTargets) found.clear();
  return found;
}

const std::vector<std::uint64_t>& Program::variables_of_stream(const std::string& name) {
  const auto [it, is_new] = streams_.try_emplace(name);
  if (is_new) it->second = definitions_of(name);
  return it->second;
}

std::optional<std::uint64_t> Program::standard_stream(const std::string& name) {
  const auto& variables = variables_of_stream(name);
  std::optional<std::uint64_t> all;
  // a copy in the program is the one that everybody uses: the library's own says the same
  for (const std::uint64_t variable : variables) {
    const auto file = space_.memory.read_u64(RemoteAddr{variable});
    if (!file || *file == 0 || (all && *all != *file)) return std::nullopt;
    all = *file;
  }
  return all;
}

std::optional<std::uint64_t> Program::stream_at(std::uint64_t address) {
  for (const char* name : {"stdout", "stderr"})
    if (std::ranges::find(variables_of_stream(name), address) != variables_of_stream(name).end())
      return standard_stream(name);
  return std::nullopt;
}

std::optional<std::uint64_t> Program::descriptor_of_stream(std::uint64_t file) {
  constexpr std::uint64_t kFileno = 112;  // struct _IO_FILE of glibc, an ABI since 2.1
  const Linkage* linkage = linkage_at(file);
  const bool is_standard = file == standard_stream("stdout") || file == standard_stream("stderr");
  if (!is_standard || linkage == nullptr || linkage->soname != "libc.so.6") return std::nullopt;
  const auto fd = space_.memory.read_u32(RemoteAddr{file + kFileno});
  return fd ? std::optional<std::uint64_t>(*fd) : std::nullopt;
}

std::optional<std::uint64_t> Program::descriptor_of_ostream(std::uint64_t address) {
  const auto is = [&](const char* symbol) {
    const auto& objects = variables_of_stream(symbol);
    return std::ranges::find(objects, address) != objects.end();
  };
  if (is("_ZSt4cout")) return 1;
  if (is("_ZSt4cerr") || is("_ZSt4clog")) return 2;
  return std::nullopt;
}

std::optional<std::uint64_t> Program::descriptor_of(const Known& known,
                                                    std::optional<std::uint64_t> stream) {
  if (known.stream == Known::kStdout) stream = standard_stream("stdout");
  if (known.stream == Known::kStderr) stream = standard_stream("stderr");
  if (!stream) return std::nullopt;
  return known.stream == Known::kOstream ? descriptor_of_ostream(*stream)
                                         : descriptor_of_stream(*stream);
}

const Known* Program::known_by_slot(std::uint64_t address) {
  const std::string name = name_of_slot(address);
  const Known* known = name.empty() ? nullptr : find_function(name);
  if (known == nullptr) return nullptr;
  const bool library = std::ranges::all_of(targets_of_slot(address), [&](std::uint64_t target) {
    const Linkage* linkage = linkage_at(target);
    return in_vdso(target) || (linkage != nullptr && linkage->kind == Linkage::Kind::CLibrary);
  });
  return library ? known : nullptr;
}

bool Program::is_used(const std::string& function) {
  (void)definitions_of(function);  // fills all_
  if (!all_seen_) return true;
  for (const unwind::Place& place : *all_) {
    const Linkage& linkage = linkage_of(*place.image);
    if (linkage.kind == Linkage::Kind::CLibrary || linkage.kind == Linkage::Kind::CxxLibrary)
      continue;
    if (linkage.imports.contains(function)) return true;
    if (linkage.kind == Linkage::Kind::Static && place.image->symbols().address_of(function))
      return true;
    if (linkage.kind == Linkage::Kind::Foreign) return true;
  }
  return false;
}

std::string Program::name_of(std::uint64_t address) {
  static constexpr char kDigits[] = "0123456789abcdef";
  const unwind::Place place = place_at(address);
  std::string digits;
  std::uint64_t rest = address - (place.image == nullptr ? 0 : place.bias);
  do {
    digits.insert(digits.begin(), kDigits[rest % 16]);
    rest /= 16;
  } while (rest != 0);
  return (place.image == nullptr ? "" : place.image->name() + "+") + "0x" + digits;
}

std::string Program::function_around(std::uint64_t address) {
  const unwind::Place place = place_at(address);
  if (place.image == nullptr) return "";
  const auto* symbol = place.image->symbols().find_function(address - place.bias);
  return symbol == nullptr ? "" : unwind::demangle(place.image->symbols().name_of(*symbol));
}

}  // namespace ipcdoctor::runtime::native
