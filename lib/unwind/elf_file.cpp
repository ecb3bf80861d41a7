#include "unwind/elf_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace ipcdoctor::unwind {
namespace {

constexpr std::size_t kMaxSegments = 256;
constexpr std::size_t kMaxSections = 8192;
constexpr std::uint64_t kMaxRead = std::uint64_t{192} << 20;  ///< a sparse file may claim any size
constexpr std::uint64_t kMaxNote = 64 << 10;

Error malformed(const char* what) {
  return Error{Cause::Malformed, 0, std::string("parse ELF ") + what};
}

std::string hex(std::span<const std::byte> bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const std::byte b : bytes) {
    text += kDigits[std::to_integer<unsigned>(b) >> 4];
    text += kDigits[std::to_integer<unsigned>(b) & 15];
  }
  return text;
}

/// The build id among the notes of one segment; "" if none.
std::string find_build_id(std::span<const std::byte> notes) {
  while (notes.size() >= sizeof(Elf64_Nhdr)) {
    Elf64_Nhdr note;
    std::memcpy(&note, notes.data(), sizeof note);
    const std::uint64_t name = (std::uint64_t{note.n_namesz} + 3) & ~std::uint64_t{3};
    const std::uint64_t size =
        sizeof note + name + ((std::uint64_t{note.n_descsz} + 3) & ~std::uint64_t{3});
    if (size > notes.size()) return "";
    if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && note.n_descsz <= 64 &&
        std::memcmp(notes.data() + sizeof note, "GNU", 4) == 0) {
      return hex(notes.subspan(sizeof note + name, note.n_descsz));
    }
    notes = notes.subspan(size);
  }
  return "";
}

}  // namespace

Result<ElfFile> ElfFile::parse(linux::UniqueFd file) {
  struct stat info {};
  if (::fstat(file.get(), &info) < 0) return Error{cause_of(errno), errno, "stat an ELF file"};
  if (!S_ISREG(info.st_mode)) return malformed("image: not a regular file");
  ElfFile elf;
  elf.file_ = std::move(file);
  elf.size_ = static_cast<std::uint64_t>(info.st_size);
  const Status parsed = elf.parse_headers();
  if (!parsed) return parsed.error();
  return elf;
}

Result<ElfFile> ElfFile::parse(std::vector<std::byte> bytes) {
  ElfFile elf;
  elf.size_ = bytes.size();
  elf.bytes_ = std::move(bytes);
  const Status parsed = elf.parse_headers();
  if (!parsed) return parsed.error();
  return elf;
}

Status ElfFile::read_into(std::uint64_t offset, std::span<std::byte> into) const {
  if (offset > size_ || into.size() > size_ - offset)
    return malformed("image: range beyond its end");
  if (!file_.is_open()) {
    if (!into.empty()) std::memcpy(into.data(), bytes_.data() + offset, into.size());
    return Done{};
  }
  while (!into.empty()) {
    const ssize_t n = ::pread(file_.get(), into.data(), into.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Error{cause_of(errno), errno, "read an ELF file"};
    if (n == 0) return malformed("image: truncated while it was read");
    into = into.subspan(static_cast<std::size_t>(n));
    offset += static_cast<std::uint64_t>(n);
  }
  return Done{};
}

Status ElfFile::check_range(std::uint64_t offset, std::uint64_t size) const {
  if (offset > size_ || size > size_ - offset) return malformed("image: range beyond its end");
  return size > kMaxRead ? Status(Error{Cause::Limit, 0, "read an ELF file"}) : Status(Done{});
}

Result<std::vector<std::byte>> ElfFile::read(std::uint64_t offset, std::uint64_t size) const {
  if (const Status range = check_range(offset, size); !range) return range.error();
  std::vector<std::byte> bytes(size);
  const Status status = read_into(offset, bytes);
  if (!status) return status.error();
  return bytes;
}

Result<OwnedBytes> ElfFile::read_bytes(const Section& section) const {
  if (section.type == SHT_NOBITS) return malformed("section without bytes");
  if (const Status range = check_range(section.offset, section.size); !range) return range.error();
  OwnedBytes bytes(section.size);
  const Status status = read_into(section.offset, bytes.span());
  if (!status) return status.error();
  return bytes;
}

Result<std::vector<std::byte>> ElfFile::read(const Section& section) const {
  if (section.type == SHT_NOBITS) return malformed("section without bytes");
  return read(section.offset, section.size);
}

Status ElfFile::parse_headers() {
  Elf64_Ehdr header{};
  const Status status = read_into(0, std::as_writable_bytes(std::span(&header, 1)));
  if (!status) return status.error();
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64 ||
      header.e_ident[EI_DATA] != ELFDATA2LSB || header.e_machine != EM_X86_64) {
    return malformed("header: not an x86-64 image");
  }
  if (header.e_phentsize != sizeof(Elf64_Phdr) || header.e_phnum > kMaxSegments) {
    return malformed("program headers");
  }
  segments_.resize(header.e_phnum);
  const Status read = read_into(header.e_phoff, std::as_writable_bytes(std::span(segments_)));
  if (!read) return read.error();
  parse_sections(header);
  return Done{};
}

// Section headers are a convenience: without them (strip can remove them, a file may be cut) the
// segments still do.
void ElfFile::parse_sections(const Elf64_Ehdr& header) {
  if (header.e_shentsize != sizeof(Elf64_Shdr) || header.e_shnum > kMaxSections) return;
  std::vector<Elf64_Shdr> raw(header.e_shnum);
  if (header.e_shstrndx >= raw.size() ||
      !read_into(header.e_shoff, std::as_writable_bytes(std::span(raw))))
    return;
  const Elf64_Shdr& strings = raw[header.e_shstrndx];
  if (strings.sh_type == SHT_NOBITS || strings.sh_size > (1 << 20)) return;
  const auto names = read(strings.sh_offset, strings.sh_size);
  if (!names) return;
  const auto* text = reinterpret_cast<const char*>(names->data());
  for (const Elf64_Shdr& s : raw) {
    if (s.sh_name >= names->size()) continue;
    std::string name(
        text + s.sh_name,
        ::strnlen(text + s.sh_name, std::min<std::size_t>(256, names->size() - s.sh_name)));
    sections_.push_back(Section{.name = std::move(name),
                                .type = s.sh_type,
                                .link = s.sh_link,
                                .flags = s.sh_flags,
                                .address = s.sh_addr,
                                .offset = s.sh_offset,
                                .size = s.sh_size,
                                .entry_size = s.sh_entsize});
  }
  // sh_link counts the headers as they are in the file; a dropped one would shift it
  if (sections_.size() != raw.size()) sections_.clear();
}

const ElfFile::Section* ElfFile::find_section(std::string_view name) const {
  const auto it = std::ranges::find(sections_, name, &Section::name);
  return it == sections_.end() ? nullptr : &*it;
}

const ElfFile::Section* ElfFile::find_section(std::uint32_t type) const {
  const auto it = std::ranges::find(sections_, type, &Section::type);
  return it == sections_.end() ? nullptr : &*it;
}

Result<std::uint64_t> ElfFile::address_of_offset(std::uint64_t offset, bool executable) const {
  const Elf64_Phdr* best = nullptr;
  for (const Elf64_Phdr& s : segments_) {
    if (s.p_type != PT_LOAD) continue;
    const std::uint64_t slack = s.p_offset % 4096;  // the loader maps whole pages
    const std::uint64_t begin = s.p_offset - slack;
    if (offset < begin || offset - begin >= s.p_filesz + slack) continue;
    if (best == nullptr || ((s.p_flags & PF_X) != 0) == executable) best = &s;
  }
  if (best == nullptr) return Error{Cause::Unsupported, 0, "find the segment of a file offset"};
  return best->p_vaddr + (offset - best->p_offset);
}

std::string ElfFile::build_id() const {
  for (const Elf64_Phdr& s : segments_) {
    if (s.p_type != PT_NOTE || s.p_filesz > kMaxNote) continue;
    const auto notes = read(s.p_offset, s.p_filesz);
    if (!notes) continue;
    std::string id = find_build_id(*notes);
    if (!id.empty()) return id;
  }
  return "";
}

}  // namespace ipcdoctor::unwind
