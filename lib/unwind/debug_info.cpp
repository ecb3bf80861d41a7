#include "unwind/debug_info.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <fcntl.h>
#include <libelf.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>

#include "base/text.h"
#include "linux/deputy.h"

namespace ipcdoctor::unwind {
namespace {

constexpr int kMaxDepth = 64;
constexpr std::size_t kMaxDies = 1 << 20;  ///< looked at for one address
constexpr std::size_t kMaxUnits = 1 << 18;
constexpr std::size_t kMaxRanges = 1 << 20;
constexpr std::size_t kMaxText = 4096;

std::string text_of(const char* text) {
  return text == nullptr ? "" : escape_untrusted(std::string_view(text).substr(0, kMaxText));
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

/// The debug information of one file, in the process without rights. It lives as long as that.
class LineTable {
 public:
  bool load(int file);
  std::vector<SourceFrame> frames_at(std::uint64_t address);

 private:
  void index_units();

  Dwarf* dwarf_ = nullptr;
  struct Range {
    std::uint64_t begin, end, unit;
  };
  std::vector<Range> units_;  ///< code of each compilation unit, sorted, and the offset of its DIE
};

bool LineTable::load(int file) {
  (void)elf_version(EV_CURRENT);
  // never ELF_C_READ_MMAP: a truncated file would be SIGBUS
  Elf* elf = elf_begin(file, ELF_C_READ, nullptr);
  dwarf_ = elf == nullptr ? nullptr : dwarf_begin_elf(elf, DWARF_C_READ, nullptr);
  if (dwarf_ == nullptr) return false;
  (void)dwarf_new_oom_handler(dwarf_, linux::Confined::run_out_of_memory);
  index_units();
  return true;
}

// .debug_aranges would be quicker, but clang leaves it out.
void LineTable::index_units() {
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

std::vector<SourceFrame> LineTable::frames_at(std::uint64_t address) {
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

Result<linux::UniqueFd> open_debug_file(const std::string& path) {
  linux::UniqueFd file = linux::deputy::open_at(-1, path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY);
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

// Its answer: nothing if the file cannot be read, else "+" and for each frame line, function and
// file, each with a NUL behind it.

std::string to_bytes(const std::vector<SourceFrame>& frames) {
  std::string bytes = "+";
  for (const SourceFrame& frame : frames) {
    for (const std::string& text : {std::to_string(frame.line), frame.function, frame.file})
      (bytes += text) += '\0';
  }
  return bytes;
}

/// Of a process that may be the target's by now: as hostile as the file.
std::vector<SourceFrame> from_bytes(std::string_view bytes) {
  constexpr std::size_t kMaxFrames = kMaxDepth + 2;
  const auto take = [&bytes] {
    const std::string_view text = bytes.substr(0, bytes.find('\0'));
    bytes.remove_prefix(std::min(text.size() + 1, bytes.size()));
    return text;
  };
  bytes.remove_prefix(1);
  std::vector<SourceFrame> frames;
  while (!bytes.empty() && frames.size() < kMaxFrames) {
    SourceFrame& frame = frames.emplace_back();
    const std::string_view line = take();
    (void)std::from_chars(line.data(), line.data() + line.size(), frame.line);  // else 0
    frame.function = escape_untrusted(take().substr(0, kMaxText));
    frame.file = escape_untrusted(take().substr(0, kMaxText));
  }
  return frames;
}

/// Debug information unpacked, and what libdw makes of it: a small multiple of the file.
linux::Confinement confinement_for(int file) {
  constexpr std::uint64_t kFactor = 4, kMost = std::uint64_t{2} << 30;
  linux::Confinement confinement;
  struct stat info {};
  if (::fstat(file, &info) == 0)
    confinement.memory += std::min(kMost, static_cast<std::uint64_t>(info.st_size) * kFactor);
  confinement.answer = 1 << 20;
  return confinement;
}

}  // namespace

std::unique_ptr<DebugInfo> DebugInfo::open(const Image& image, const linux::AddressSpace& space) {
  std::unique_ptr<DebugInfo> info(new DebugInfo);
  if (image.elf().fd() >= 0 && has_dwarf(image.elf()) &&
      image.elf().find_section(".gnu_debugaltlink") == nullptr) {
    info->start(linux::UniqueFd(::fcntl(image.elf().fd(), F_DUPFD_CLOEXEC, 0)), image.name());
  } else if (auto file = find_separate_file(image, space)) {
    info->start(std::move(*file), image.name());
  }
  return info;
}

void DebugInfo::start(linux::UniqueFd file, const std::string& name) {
  name_ = name;
  if (!file.is_open()) {
    reader_ = Error{cause_of(errno), errno, "open debug information of " + name};
    return;
  }
  reader_ = linux::Confined::start(confinement_for(file.get()), file.get(),
                                   [fd = file.get(), table = std::optional<LineTable>()](
                                       std::string_view question) mutable -> std::string {
                                     std::uint64_t address = 0;
                                     if (question.size() != sizeof address) return "";
                                     std::memcpy(&address, question.data(), sizeof address);
                                     if (!table && !table.emplace().load(fd)) return "";
                                     return to_bytes(table->frames_at(address));
                                   });
}

Result<std::vector<SourceFrame>> DebugInfo::frames_at(std::uint64_t address,
                                                      const linux::Confined::GoOn& go_on) {
  using Clock = std::chrono::steady_clock;
  constexpr std::chrono::seconds kPatience{2};  // for all questions to one image
  if (!reader_ && reader_.error().cause == Cause::NotRead) return std::vector<SourceFrame>{};
  if (!reader_) return reader_.error();
  const auto begin = Clock::now();
  const std::string_view question(reinterpret_cast<const char*>(&address), sizeof address);
  const auto answer = reader_->ask(
      question, [&] { return go_on() && spent_ + (Clock::now() - begin) < kPatience; });
  spent_ += Clock::now() - begin;
  if (answer && !answer->empty()) return from_bytes(*answer);
  const Error why = answer ? Error{Cause::Malformed, 0, "cannot read it"} : answer.error();
  reader_ = Error{why.cause, why.number,
                  "read the lines of " + name_ + ": the reader of debug information " + why.what};
  return reader_.error();
}

}  // namespace ipcdoctor::unwind
