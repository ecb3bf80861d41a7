#include "unwind/image.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/text.h"

namespace ipcdoctor::unwind {
namespace {

constexpr std::size_t kMaxImages = 4096;
constexpr std::uint64_t kMaxVdso = 1 << 20;
constexpr std::uint64_t kMaxHeader = 64 << 20;
constexpr std::uint32_t kMaxEntry = 64 << 10;
constexpr std::size_t kMaxRules = 1 << 18;

std::string_view last_component(std::string_view path) {
  return path.substr(path.rfind('/') + 1);
}

std::string name_of(std::string_view path) {
  constexpr std::string_view kDeleted = " (deleted)";
  if (path.ends_with(kDeleted)) path.remove_suffix(kDeleted.size());
  return escape_untrusted(last_component(path));
}

bool starts_with_any(std::string_view text, std::span<const std::string_view> prefixes) {
  return std::ranges::any_of(prefixes,
                             [&](std::string_view prefix) { return text.starts_with(prefix); });
}

/// Whether the distribution or a language brought it, so that no line of it is the user's.
bool is_system_path(std::string_view path) {
  static constexpr std::array<std::string_view, 5> kFolders = {"/usr/lib", "/lib/", "/lib64/",
                                                               "/lib32/", "["};
  static constexpr std::array<std::string_view, 9> kNames = {
      "ld-linux",  "ld-musl",   "libc.so",  "libc-",     "libpthread",
      "libpython", "libstdc++", "libgcc_s", "linux-vdso"};
  static constexpr std::array<std::string_view, 3> kInstalled = {"/lib-dynload/", "/site-packages/",
                                                                 "/dist-packages/"};
  if (starts_with_any(path, kFolders)) return true;
  if (holds_any(path, kInstalled)) return true;
  const std::string_view name = last_component(path);
  if (starts_with_any(name, kNames)) return true;
  // python, python3, python3.11; but not a user's "python_runner"
  constexpr std::string_view kPython = "python";
  if (!name.starts_with(kPython)) return false;
  const std::string_view version = name.substr(kPython.size(), name.find(' ') - kPython.size());
  return version.find_first_not_of("0123456789.dt") == std::string_view::npos;
}

std::optional<UnwindTable> table_of_header(const ElfFile& elf) {
  const auto segment =
      std::ranges::find(elf.segments(), std::uint32_t{PT_GNU_EH_FRAME}, &Elf64_Phdr::p_type);
  if (segment == elf.segments().end() || segment->p_filesz > kMaxHeader) return std::nullopt;
  const auto bytes = elf.read(segment->p_offset, segment->p_filesz);
  if (!bytes) return std::nullopt;
  const auto header = parse_frame_table_header(*bytes);
  if (!header) return std::nullopt;
  UnwindTable table{
      .base = segment->p_vaddr, .address = segment->p_vaddr + header->table_offset, .rows = {}};
  table.rows.resize(header->rows);
  std::memcpy(table.rows.data(), bytes->data() + header->table_offset,
              header->rows * sizeof(FrameEntry));
  return table;
}

std::optional<UnwindTable> table_of_section(const ElfFile& elf) {
  const ElfFile::Section* section = elf.find_section(".eh_frame");
  if (section == nullptr || (section->flags & SHF_ALLOC) == 0) return std::nullopt;
  const auto bytes = elf.read(*section);
  if (!bytes) return std::nullopt;
  auto rows = build_frame_table(*bytes, section->address);
  if (!rows) return std::nullopt;
  return UnwindTable{.base = section->address, .address = 0, .rows = std::move(*rows)};
}

}  // namespace

Image::Image(ElfFile elf, std::string path)
    : elf_(std::move(elf)),
      path_(std::move(path)),
      name_(name_of(path_)),
      system_(is_system_path(path_)) {}

const SymbolTable& Image::symbols() {
  if (!symbols_) symbols_ = SymbolTable::read(elf_);
  return *symbols_;
}

const UnwindTable* Image::unwind_table() {
  if (!table_) {
    table_ = table_of_header(elf_);
    if (!table_) table_ = table_of_section(elf_);
    if (!table_) table_ = UnwindTable{};
  }
  return table_->rows.empty() ? nullptr : &*table_;
}

const FrameRule* Image::frame_rule(std::uint64_t address) {
  auto known = rules_.find(address);
  if (known == rules_.end()) {
    if (rules_.size() >= kMaxRules) rules_.clear();
    known = rules_.emplace(address, read_frame_rule(address)).first;
  }
  return known->second ? &*known->second : nullptr;
}

std::optional<FrameRule> Image::read_frame_rule(std::uint64_t address) {
  const UnwindTable* table = unwind_table();
  if (table == nullptr) return std::nullopt;
  const auto distance = static_cast<std::int64_t>(address - table->base);
  auto row = std::ranges::upper_bound(table->rows, distance, {},
                                      [](const FrameEntry& e) { return std::int64_t{e.start}; });
  if (row == table->rows.begin()) return std::nullopt;
  const std::uint64_t fde_address =
      table->base + static_cast<std::uint64_t>(std::int64_t{(--row)->description});
  const auto fde = read_entry(fde_address);
  if (!fde) return std::nullopt;
  std::uint32_t back = 0;  // the distance from its own field to the CIE
  std::memcpy(&back, fde->data() + 4, sizeof back);
  const auto cie = read_entry(fde_address + 4 - back);
  return cie ? find_frame_rule(*cie, *fde, fde_address, address) : std::nullopt;
}

/// A CIE or FDE with its length word, by link-time address; at least 8 bytes.
Result<std::vector<std::byte>> Image::read_entry(std::uint64_t address) const {
  for (const Elf64_Phdr& s : elf_.segments()) {
    if (s.p_type != PT_LOAD || address < s.p_vaddr || address - s.p_vaddr >= s.p_filesz) continue;
    const std::uint64_t offset = s.p_offset + (address - s.p_vaddr);
    const auto word = elf_.read(offset, sizeof(std::uint32_t));
    if (!word) return word.error();
    std::uint32_t length = 0;
    std::memcpy(&length, word->data(), sizeof length);
    if (length < 4 || length > kMaxEntry) break;
    return elf_.read(offset, 4 + std::uint64_t{length});
  }
  return Error{Cause::Malformed, 0, "read a frame description"};
}

Result<Place> ImageCache::find(const linux::AddressSpace& space, std::uint64_t address) {
  const linux::Mapping* mapping = linux::find_mapping(space.maps(), RemoteAddr{address});
  if (mapping == nullptr)
    return Error{Cause::Unsupported, 0, "find an image: nothing is mapped there"};
  return find(space, *mapping);
}

Result<Place> ImageCache::find(const linux::AddressSpace& space, const linux::Mapping& mapping) {
  const auto image = load(space, mapping);
  if (!image) return image.error();
  const auto address = (*image)->elf().address_of_offset(mapping.offset, mapping.executable);
  if (!address) return address.error();
  return Place{*image, mapping.start - *address, mapping.start, mapping.end};
}

std::vector<Error> ImageCache::unread() const {
  std::vector<Error> errors;
  for (const auto& [key, image] : images_) {
    const SymbolTable* symbols = image ? (*image)->known_symbols() : nullptr;
    if (symbols == nullptr || symbols->unpacked().cause == Cause::NotRead) continue;
    Error error = symbols->unpacked();
    error.what += " (" + (*image)->name() + ")";
    errors.push_back(std::move(error));
  }
  return errors;
}

Result<Image*> ImageCache::load(const linux::AddressSpace& space, const linux::Mapping& mapping) {
  const bool vdso = mapping.path == "[vdso]";
  if (mapping.ino == 0 && !vdso)
    return Error{Cause::Unsupported, 0, "find an image: anonymous memory"};
  // a process may have written to its own vDSO: never share that one
  const Key key{mapping.dev, mapping.ino, vdso ? mapping.start : 0, vdso ? space.pid.value : 0};
  auto known = images_.find(key);
  if (known == images_.end()) {
    if (images_.size() >= kMaxImages) return Error{Cause::Limit, 0, "load an image"};
    const auto open = [&]() -> Result<ElfFile> {
      if (!vdso) {
        auto file = open_mapped_file(space, mapping);
        if (!file) return file.error();
        return ElfFile::parse(std::move(*file));
      }
      std::vector<std::byte> bytes(std::min(mapping.end - mapping.start, kMaxVdso));
      const Status read = space.memory.read(RemoteAddr{mapping.start}, bytes);
      if (!read) return read.error();
      return ElfFile::parse(std::move(bytes));
    };
    auto elf = open();
    Result<std::unique_ptr<Image>> image =
        elf ? Result<std::unique_ptr<Image>>(std::make_unique<Image>(std::move(*elf), mapping.path))
            : elf.error();
    known = images_.emplace(key, std::move(image)).first;
  }
  if (!known->second) return known->second.error();
  return known->second->get();
}

}  // namespace ipcdoctor::unwind
