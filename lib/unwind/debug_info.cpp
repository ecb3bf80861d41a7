#include "unwind/debug_info.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <fcntl.h>
#include <libelf.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "base/text.h"

namespace ipcdoctor::unwind {
namespace {

constexpr int kMaxDepth = 64;
constexpr std::size_t kMaxDies = 1 << 20;  ///< looked at for one address
constexpr std::size_t kMaxUnits = 1 << 18;
constexpr std::size_t kMaxRanges = 1 << 20;

std::string text_of(const char* text) {
  return text == nullptr ? "" : escape_untrusted(std::string_view(text).substr(0, 4096));
}

std::string name_of(Dwarf_Die* die) {
  Dwarf_Attribute attribute;
  for (const unsigned code : {DW_AT_linkage_name, DW_AT_MIPS_linkage_name}) {
    const char* name = dwarf_formstring(dwarf_attr_integrate(die, code, &attribute));
    if (name != nullptr) return demangle(name);
  }
  return text_of(dwarf_formstring(dwarf_attr_integrate(die, DW_AT_name, &attribute)));
}

std::uint64_t number_of(Dwarf_Die* die, unsigned code) {
  Dwarf_Attribute attribute;
  Dwarf_Word value = 0;
  return dwarf_formudata(dwarf_attr(die, code, &attribute), &value) == 0 ? value : 0;
}

/// Goes down from a DIE to those that contain the address: the subprogram and what was inlined into
/// it.
class Descent {
 public:
  explicit Descent(std::uint64_t address) : address_(address) {}
  bool go(Dwarf_Die* parent, int depth) {
    Dwarf_Die die;
    if (depth > kMaxDepth || dwarf_child(parent, &die) != 0) return false;
    do {
      if (++seen_ > kMaxDies) return false;
      const int tag = dwarf_tag(&die);
      if (tag == DW_TAG_namespace || tag == DW_TAG_module) {
        if (go(&die, depth + 1)) return true;
        continue;
      }
      const bool function = tag == DW_TAG_subprogram || tag == DW_TAG_inlined_subroutine;
      if (!function && tag != DW_TAG_lexical_block && tag != DW_TAG_try_block &&
          tag != DW_TAG_catch_block)
        continue;
      if (dwarf_haspc(&die, address_) <= 0) continue;
      if (function) path.push_back(die);
      (void)go(&die, depth + 1);  // nothing deeper is fine: this one contains it
      return true;
    } while (dwarf_siblingof(&die, &die) == 0);
    return false;
  }

  std::vector<Dwarf_Die> path;  ///< outermost first

 private:
  std::uint64_t address_;
  std::size_t seen_ = 0;
};

Result<linux::UniqueFd> open_debug_file(const std::string& path) {
  linux::UniqueFd file(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (!file.is_open()) return Error{cause_of(errno), errno, "open " + path};
  return file;
}

/// The file name in .gnu_debuglink; "" if absent or not a plain name.
std::string debug_link(const ElfFile& elf) {
  const ElfFile::Section* section = elf.find_section(".gnu_debuglink");
  if (section == nullptr || section->size > 4096) return "";
  const auto bytes = elf.read(*section);
  if (!bytes) return "";
  const auto* text = reinterpret_cast<const char*>(bytes->data());
  const std::string name(text, ::strnlen(text, bytes->size()));
  return name.find('/') == std::string::npos ? name : "";
}

bool has_dwarf(const ElfFile& elf) {
  return elf.find_section(".debug_info") != nullptr || elf.find_section(".zdebug_info") != nullptr;
}

/// A debug file that says it belongs to the image; without build ids there is no telling.
Result<linux::UniqueFd> checked(Result<linux::UniqueFd> file, const std::string& build_id) {
  if (!file) return file.error();
  linux::UniqueFd copy(::fcntl(file->get(), F_DUPFD_CLOEXEC, 0));
  const auto elf = ElfFile::parse(std::move(copy));
  if (!elf) return elf.error();
  if (elf->build_id() != build_id || !has_dwarf(*elf)) {
    return Error{Cause::Unsupported, 0, "use a debug file: it belongs to another image"};
  }
  return file;
}

Result<linux::UniqueFd> find_separate_file(const Image& image, const linux::AddressSpace& space) {
  const std::string id = image.elf().build_id();
  if (id.size() < 4) return Error{Cause::Unsupported, 0, "find a debug file: no build id"};
  auto by_id = checked(open_debug_file("/usr/lib/debug/.build-id/" + id.substr(0, 2) + "/" +
                                       id.substr(2) + ".debug"),
                       id);
  if (by_id) return by_id;
  const std::string link = debug_link(image.elf());
  if (link.empty()) return by_id;
  const std::string folder = image.path().substr(0, image.path().rfind('/') + 1);
  for (const std::string& path :
       {folder + link, folder + ".debug/" + link, "/usr/lib/debug" + folder + link}) {
    auto file = checked(open_in_root(space, path), id);
    if (file) return file;
  }
  return by_id;
}

}  // namespace

std::unique_ptr<DebugInfo> DebugInfo::open(const Image& image, const linux::AddressSpace& space) {
  std::unique_ptr<DebugInfo> info(new DebugInfo);
  Status loaded = Error{};
  if (image.elf().fd() >= 0 && has_dwarf(image.elf()) &&
      image.elf().find_section(".gnu_debugaltlink") == nullptr) {
    loaded = info->load(linux::UniqueFd(::fcntl(image.elf().fd(), F_DUPFD_CLOEXEC, 0)));
  }
  if (!loaded) {
    auto file = find_separate_file(image, space);
    if (file) loaded = info->load(std::move(*file));
  }
  if (loaded) info->index_units();
  return info;
}

Status DebugInfo::load(linux::UniqueFd file) {
  if (!file.is_open()) return Error{cause_of(errno), errno, "open debug information"};
  (void)elf_version(EV_CURRENT);
  file_ = std::move(file);
  elf_ = elf_begin(file_.get(), ELF_C_READ,
                   nullptr);  // never ELF_C_READ_MMAP: a truncated file would be SIGBUS
  dwarf_ = elf_ == nullptr ? nullptr : dwarf_begin_elf(elf_, DWARF_C_READ, nullptr);
  if (dwarf_ == nullptr) return Error{Cause::Malformed, 0, "read debug information"};
  return Done{};
}

DebugInfo::~DebugInfo() {
  if (dwarf_ != nullptr) (void)dwarf_end(dwarf_);
  if (elf_ != nullptr) (void)elf_end(elf_);
}

// .debug_aranges would be quicker, but clang leaves it out.
void DebugInfo::index_units() {
  Dwarf_Off offset = 0, next = 0;
  std::size_t header = 0;
  for (std::size_t i = 0; i < kMaxUnits && dwarf_nextcu(dwarf_, offset, &next, &header, nullptr,
                                                        nullptr, nullptr) == 0;
       ++i) {
    Dwarf_Die die;
    if (dwarf_offdie(dwarf_, offset + header, &die) != nullptr &&
        dwarf_tag(&die) == DW_TAG_compile_unit) {
      Dwarf_Addr base = 0, begin = 0, end = 0;
      for (std::ptrdiff_t at = 0;
           (at = dwarf_ranges(&die, at, &base, &begin, &end)) > 0 && units_.size() < kMaxRanges;) {
        if (begin < end) units_.push_back({begin, end, offset + header});
      }
    }
    if (next <= offset) break;
    offset = next;
  }
  std::ranges::sort(units_, {}, &Range::begin);
}

std::vector<SourceFrame> DebugInfo::frames_at(std::uint64_t address) {
  if (dwarf_ == nullptr) return {};
  auto range = std::ranges::upper_bound(units_, address, {}, &Range::begin);
  if (range == units_.begin() || address >= (--range)->end) return {};
  Dwarf_Die unit;
  if (dwarf_offdie(dwarf_, range->unit, &unit) == nullptr) return {};

  SourceFrame innermost;
  Dwarf_Line* line = dwarf_getsrc_die(&unit, address);
  if (line != nullptr && dwarf_lineno(line, &innermost.line) == 0) {
    innermost.file = text_of(dwarf_linesrc(line, nullptr, nullptr));
  }
  Descent descent(address);
  (void)descent.go(&unit, 0);
  std::vector<SourceFrame> frames;
  Dwarf_Files* files = nullptr;
  std::size_t file_count = 0;
  (void)dwarf_getsrcfiles(&unit, &files, &file_count);  // a null table is checked below
  for (auto die = descent.path.rbegin(); die != descent.path.rend(); ++die) {
    innermost.function = name_of(&*die);
    frames.push_back(std::move(innermost));
    innermost = SourceFrame{};
    if (dwarf_tag(&*die) != DW_TAG_inlined_subroutine) break;
    innermost.line =
        static_cast<int>(std::min<std::uint64_t>(number_of(&*die, DW_AT_call_line), INT32_MAX));
    const std::uint64_t file = number_of(&*die, DW_AT_call_file);
    if (files != nullptr && file < file_count)
      innermost.file = text_of(dwarf_filesrc(files, file, nullptr, nullptr));
  }
  if (frames.empty() && innermost.line > 0) frames.push_back(std::move(innermost));
  return frames;
}

}  // namespace ipcdoctor::unwind
