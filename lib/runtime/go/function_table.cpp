#include "runtime/go/function_table.h"

#include <algorithm>
#include <array>
#include <bit>

#include "base/text.h"

namespace ipcdoctor::runtime::go {
namespace {

constexpr std::uint32_t kMagic118 = 0xfffffff0, kMagic120 = 0xfffffff1;
constexpr std::uint64_t kMaxFunctions = 16 << 20;
constexpr std::uint64_t kMaxTable = std::uint64_t{2} << 30;
constexpr std::size_t kMaxName = 512, kMaxFile = 4096;
constexpr int kMaxSteps = 65536;  // of one function's table
constexpr int kMaxInlined = 64;
constexpr std::size_t kMaxKnown = 65536;
constexpr std::uint64_t kModuleText = 176;
constexpr std::uint32_t kInlineIndex = 2, kInlineTree = 3;  // PCDATA_, FUNCDATA_ of funcdata.h
constexpr std::uint32_t kNone = ~std::uint32_t{0};

// Of type _func.
constexpr std::uint64_t kName = 4, kStack = 16, kFile = 20, kLine = 24, kTables = 28, kUnit = 32;

/// Bytes of the target one after the other.
class Cursor {
 public:
  Cursor(const linux::ProcessMemory& memory, std::uint64_t at) : memory_(memory), at_(at) {}
  bool failed() const { return failed_; }

  std::uint32_t varint() {
    std::uint32_t out = 0;
    for (unsigned shift = 0; shift < 35; shift += 7) {
      const auto byte = memory_.read_object<std::uint8_t>(RemoteAddr{at_++});
      if (!byte) break;
      out |= (*byte & 0x7fU) << shift;
      if ((*byte & 0x80U) == 0) return out;
    }
    failed_ = true;
    return 0;
  }

 private:
  const linux::ProcessMemory& memory_;
  std::uint64_t at_;
  bool failed_ = false;
};

}  // namespace

Result<FunctionTable> FunctionTable::open(const linux::ProcessMemory& memory, const Layout& layout,
                                          RemoteAddr table, RemoteAddr module) {
  struct Header {
    std::uint32_t magic;
    std::uint8_t pad1, pad2, quantum, pointer_size;
    std::uint64_t functions, files, text;
    std::uint64_t names, units, file_names, values, lines;
  };
  const auto header = memory.read_object<Header>(table);
  if (!header) return header.error();
  const auto text = memory.read_u64(RemoteAddr{module.value + kModuleText});
  if (!text) return text.error();
  const auto gofunc = memory.read_u64(RemoteAddr{module.value + layout.module_gofunc});
  if (!gofunc) return gofunc.error();
  const std::uint64_t offsets[] = {header->names, header->units, header->file_names, header->values,
                                   header->lines};
  const bool known = (header->magic == kMagic118 || header->magic == kMagic120) &&
                     header->quantum == 1 && header->pointer_size == 8;
  if (!known || header->functions == 0 || header->functions > kMaxFunctions ||
      std::ranges::any_of(offsets, [](std::uint64_t offset) { return offset > kMaxTable; }))
    return Error{Cause::Malformed, 0, "read the table of Go's functions"};
  FunctionTable out(memory, layout);
  out.text_ = *text;
  out.gofunc_ = *gofunc;
  out.count_ = header->functions;
  out.names_ = table.value + header->names;
  out.units_ = table.value + header->units;
  out.files_ = table.value + header->file_names;
  out.values_ = table.value + header->values;
  out.functions_ = table.value + header->lines;
  return out;
}

const FunctionTable::Place* FunctionTable::find(std::uint64_t pc) {
  auto it = known_.find(pc);
  if (it == known_.end()) {
    if (known_.size() >= kMaxKnown) known_.clear();
    it = known_.emplace(pc, read(pc)).first;
  }
  return it->second ? &*it->second : nullptr;
}

std::uint32_t FunctionTable::word(std::uint64_t address) const {
  return memory_->read_u32(RemoteAddr{address}).value_or(0U);
}

std::string FunctionTable::text_at(std::uint64_t address) const {
  const auto text = memory_->read_string(RemoteAddr{address}, kMaxFile);
  return text ? escape_untrusted(*text) : "";
}

std::optional<std::int64_t> FunctionTable::value(std::uint32_t table, std::uint64_t entry,
                                                 std::uint64_t pc) const {
  if (table == 0) return std::nullopt;
  Cursor cursor(*memory_, values_ + table);
  std::int64_t value = -1;
  std::uint64_t at = entry;
  for (int step = 0; step < kMaxSteps; ++step) {
    const std::uint32_t delta = cursor.varint();
    if (delta == 0 && step > 0) break;
    value += static_cast<std::int32_t>((delta & 1U) != 0 ? ~(delta >> 1U) : delta >> 1U);
    at += cursor.varint();
    if (cursor.failed()) break;
    if (pc < at) return value;
  }
  return std::nullopt;
}

FunctionTable::Line FunctionTable::line_at(std::uint64_t record, std::uint64_t entry,
                                           std::uint64_t pc) const {
  Line out;
  const auto number = value(word(record + kLine), entry, pc);
  const auto file = value(word(record + kFile), entry, pc);
  if (number && *number > 0 && *number < (1 << 30)) out.line = static_cast<int>(*number);
  if (!file || *file < 0 || *file > (1 << 24)) return out;
  const std::uint32_t unit = word(record + kUnit);
  const std::uint32_t name =
      word(units_ + (std::uint64_t{unit} + static_cast<std::uint64_t>(*file)) * 4);
  if (name != kNone) out.file = text_at(files_ + name);
  return out;
}

std::optional<FunctionTable::Place> FunctionTable::read(std::uint64_t pc) const {
  if (pc < text_ || pc - text_ > kNone) return std::nullopt;
  const auto offset = static_cast<std::uint32_t>(pc - text_);
  // rows of an entry and where its record is; one more marks the end
  std::uint64_t low = 0, high = count_;
  if (offset < word(functions_) || offset >= word(functions_ + count_ * 8)) return std::nullopt;
  while (high - low > 1) {
    const std::uint64_t middle = low + (high - low) / 2;
    (word(functions_ + middle * 8) <= offset ? low : high) = middle;
  }
  const std::uint64_t record = functions_ + word(functions_ + low * 8 + 4);
  Place place;
  place.entry = text_ + word(record);
  if (place.entry > pc) return std::nullopt;
  place.stack = value(word(record + kStack), place.entry, pc).value_or(-1);
  const std::uint32_t tables = word(record + kTables);
  const auto trees =
      memory_->read_object<std::uint8_t>(RemoteAddr{record + layout_->func_nfuncdata});
  if (!trees || tables > 64) return std::nullopt;
  const std::uint64_t after = record + layout_->func_size;
  const std::uint32_t tree =
      *trees > kInlineTree ? word(after + (tables + kInlineTree) * 4) : kNone;
  const std::uint32_t index = tables > kInlineIndex ? word(after + kInlineIndex * 4) : 0;
  std::uint64_t at = pc;
  for (int depth = 0; tree != kNone && index != 0 && depth < kMaxInlined; ++depth) {
    const auto row = value(index, place.entry, at);
    if (!row || *row < 0 || *row > (1 << 20)) break;
    const std::uint64_t call =
        gofunc_ + tree + static_cast<std::uint64_t>(*row) * layout_->inlined_size;
    Line& line = place.lines.emplace_back(line_at(record, place.entry, at));
    line.function = text_at(names_ + word(call + layout_->inlined_name)).substr(0, kMaxName);
    line.inlined = true;
    at = place.entry + word(call + layout_->inlined_parent_pc);
  }
  Line& own = place.lines.emplace_back(line_at(record, place.entry, at));
  own.function = text_at(names_ + word(record + kName)).substr(0, kMaxName);
  return place;
}

}  // namespace ipcdoctor::runtime::go
