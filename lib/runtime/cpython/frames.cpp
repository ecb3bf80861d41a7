#include "runtime/cpython/frames.h"

#include <algorithm>
#include <unordered_set>

#include "base/text.h"
#include "runtime/cpython/line_table.h"

namespace ipcdoctor::runtime::cpython {
namespace {

constexpr std::size_t kMaxName = 512;
constexpr std::uint32_t kMaxSlots = 4096;
constexpr std::uint8_t kOwnedByInterpreter =
    3;  // 3.12: the C stack's shim frame; 3.14: the interpreter's
constexpr std::uint8_t kOwnedByCStack = 4;  // 3.14
constexpr std::uint64_t kTags = 3;          // of a _PyStackRef; both set: a number (Py_INT_TAG)

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

}  // namespace

bool is_library_file(std::string_view file) {
  if (file.starts_with("<frozen ")) return true;
  if (file.find("/site-packages/") != file.npos || file.find("/dist-packages/") != file.npos)
    return true;
  // .../lib/python3.11/threading.py, .../lib64/python3.11/, .../lib/python311.zip/
  for (std::size_t at = file.find("/python"); at != file.npos; at = file.find("/python", at + 1)) {
    const std::string_view before = file.substr(0, at);
    std::size_t end = at + 7;
    const std::size_t digits = end;
    while (end < file.size() && (is_digit(file[end]) || file[end] == '.')) ++end;
    if (end == digits) continue;
    const bool lib = before.ends_with("/lib") || before.ends_with("/lib64");
    if (lib && end < file.size() &&
        (file[end] == '/' || file.substr(end).starts_with("zip/") || file[end] == 't'))
      return true;
  }
  return false;
}

Object Frames::slot(std::uint64_t address) const {
  const std::uint64_t value = objects_->remote().word(address);
  const bool tagged = objects_->layout().tagged_slots;
  if (tagged && (value & kTags) == kTags) return 0;
  const std::uint64_t object = tagged ? value & ~kTags : value;
  return object % 8 == 0 && object >= 4096 && object < (std::uint64_t{1} << 47) ? object : 0;
}

std::optional<std::int64_t> Frames::number(std::uint64_t address) const {
  const std::uint64_t value = objects_->remote().word(address);
  const bool is_number = objects_->layout().tagged_slots && (value & kTags) == kTags;
  return is_number ? std::optional(static_cast<std::int64_t>(value) >> 2) : std::nullopt;
}

void Frames::read_slots(Object code, Code& out) const {
  const Layout& l = objects_->layout();
  for (const std::uint64_t member : {l.code_local_names, l.code_cell_names, l.code_free_names}) {
    if (member == 0) continue;
    const auto names = objects_->items(objects_->remote().pointer(code + member), kMaxSlots);
    out.locals.insert(out.locals.end(), names.begin(), names.end());
  }
}

std::shared_ptr<const Code> Frames::code_at(Object code) const {
  const auto known = codes_.find(code);
  if (known != codes_.end()) return known->second;
  std::shared_ptr<Code> out;
  if (objects_->type_name(code) == "code") {
    const Layout& l = objects_->layout();
    const Remote& remote = objects_->remote();
    out = std::make_shared<Code>();
    out->file = objects_->string(remote.pointer(code + l.code_filename)).value_or(std::string());
    out->name =
        objects_->string(remote.pointer(code + l.code_name), kMaxName).value_or(std::string());
    out->function = out->name;
    if (l.code_qualname != 0) {
      out->function =
          objects_->string(remote.pointer(code + l.code_qualname), kMaxName).value_or(out->name);
    }
    out->first_line = remote.get<int>(code + l.code_first_line);
    out->line_table = objects_->bytes(remote.pointer(code + l.code_line_table))
                          .value_or(std::vector<std::uint8_t>());
    if (l.code_exception_table != 0) {
      out->exception_table = objects_->bytes(remote.pointer(code + l.code_exception_table))
                                 .value_or(std::vector<std::uint8_t>());
    }
    out->stack_size = std::min(remote.get<std::uint32_t>(code + l.code_stack_size), kMaxSlots);
    read_slots(code, *out);
  }
  codes_.emplace(code, out);
  return out;
}

void Frames::fill_live_stack(std::uint64_t frame, std::uint64_t offset, PyFrame& out) const {
  const Layout& l = objects_->layout();
  const Remote& remote = objects_->remote();
  out.stack_size = out.code->stack_size;
  if (!l.frame_is_object) {
    out.stack = out.locals + 8 * out.code->locals.size();
    out.live_stack =
        std::min(handler_depth(out.code->exception_table, offset).value_or(0), out.stack_size);
    return;
  }
  out.stack = remote.pointer(frame + l.frame_value_stack);
  const int blocks = remote.get<int>(frame + l.frame_block_count);
  if (out.stack == 0 || blocks <= 0 || blocks > 20) return;  // CO_MAXBLOCKS
  const int level =
      remote.get<int>(frame + l.frame_blocks + 12 * static_cast<std::uint64_t>(blocks - 1) + 8);
  if (level > 0) out.live_stack = std::min(static_cast<std::uint32_t>(level), out.stack_size);
}

// Without a GIL each thread may have its own copy of the instructions (Include/internal/
// pycore_code.h, _PyCodeArray); the first is that of the code object itself.
std::uint64_t Frames::first_instruction(std::uint64_t frame, Object code) const {
  const Layout& l = objects_->layout();
  const Remote& remote = objects_->remote();
  const std::uint64_t own = code + l.code_instructions;
  if (l.code_tlbc == 0 || l.frame_tlbc_index == 0) return own;
  const auto index = remote.get<std::int32_t>(frame + l.frame_tlbc_index);
  const std::uint64_t copies = remote.pointer(code + l.code_tlbc);
  if (index <= 0 || copies == 0 || remote.word(copies) <= static_cast<std::uint64_t>(index))
    return own;
  return remote.word(copies + 8 + 8 * static_cast<std::uint64_t>(index));
}

bool Frames::fill(std::uint64_t frame, PyFrame& out) const {
  const Layout& l = objects_->layout();
  const Remote& remote = objects_->remote();
  const Object code = slot(frame + l.frame_code);
  if (code == 0) return false;
  out.code = code_at(code);
  if (out.code == nullptr) return false;
  out.address = frame;
  out.object = code;
  out.globals = remote.pointer(frame + l.frame_globals);
  out.locals = frame + l.frame_locals;
  out.library = is_library_file(out.code->file);
  std::uint64_t offset = 0;
  if (l.frame_is_object) {
    const auto last = remote.get<std::int32_t>(frame + l.frame_instr);
    offset = last < 0 ? 0 : static_cast<std::uint64_t>(last) * (l.minor == 10 ? 2 : 1);
    out.line = l.minor == 10
                   ? line_in_linetable_3_10(out.code->line_table, out.code->first_line, offset)
                   : line_in_lnotab(out.code->line_table, out.code->first_line, offset);
  } else {
    const std::uint64_t instr = remote.word(frame + l.frame_instr);
    const std::uint64_t first = first_instruction(frame, code);
    offset = instr >= first && instr - first < (1U << 30) ? instr - first : 0;
    out.line = line_in_locations(out.code->line_table, out.code->first_line, offset);
  }
  out.entry = l.frame_is_object ||
              (l.frame_is_entry != 0 && remote.get<std::uint8_t>(frame + l.frame_is_entry) != 0);
  out.offset = offset;
  fill_live_stack(frame, offset, out);
  return true;
}

std::vector<PyFrame> Frames::read(std::uint64_t thread_state, std::size_t limit) const {
  const Layout& l = objects_->layout();
  const Remote& remote = objects_->remote();
  std::uint64_t frame = remote.pointer(thread_state + l.thread_frame);
  if (l.through_cframe && frame != 0) frame = remote.pointer(frame + l.cframe_frame);
  std::vector<PyFrame> out;
  std::unordered_set<std::uint64_t> seen;
  for (std::size_t n = 0; frame != 0 && n < limit && seen.insert(frame).second; ++n) {
    const auto owner =
        l.minor >= 12 ? remote.get<std::uint8_t>(frame + l.frame_owner) : std::uint8_t{0};
    PyFrame f;
    const bool is_shim = owner == kOwnedByInterpreter || owner == kOwnedByCStack;
    if (is_shim && !out.empty()) out.back().entry = true;
    if (!is_shim && fill(frame, f)) out.push_back(std::move(f));
    frame = remote.pointer(frame + l.frame_back);
  }
  return out;
}

std::optional<PyFrame> Frames::suspended(Object coroutine) const {
  const Layout& l = objects_->layout();
  const Remote& remote = objects_->remote();
  std::uint64_t frame = coroutine + l.coroutine_frame;
  if (l.frame_is_object) frame = remote.pointer(frame);
  // From 3.11 on the state is right before the frame. Below 0 it has not ended and does not run; in
  // 3.15 the suspended states are 1 to 3 (pycore_frame.h).
  const auto state =
      l.frame_is_object ? -1 : remote.get<std::int8_t>(coroutine + l.coroutine_state);
  const bool alive = l.minor >= 15 ? state >= 1 && state <= 3 : state < 0;
  PyFrame out;
  if (frame == 0 || !alive || !fill(frame, out)) return std::nullopt;
  return out;
}

Object Frames::top_of_stack(const PyFrame& frame) const {
  const Layout& l = objects_->layout();
  const Remote& remote = objects_->remote();
  const std::uint64_t top = remote.word(frame.address + l.frame_stack_top);
  if (l.minor <= 9 || l.minor >= 14) {  // a pointer behind it
    const std::uint64_t end = frame.stack + 8 * std::uint64_t{frame.stack_size};
    if (top < frame.stack + 8 || top > end) return 0;
    // 3.15 keeps an iterator's index, or nothing, above what it awaits.
    const Object object = slot(top - 8);
    return object != 0 || l.minor < 15 || top < frame.stack + 16 ? object : slot(top - 16);
  }
  const auto count =
      static_cast<std::int32_t>(top);  // 3.10: of the stack; then of locals and stack
  const auto locals = static_cast<std::int32_t>(l.minor == 10 ? 0 : frame.code->locals.size());
  if (count <= locals || count > locals + static_cast<std::int32_t>(frame.stack_size)) return 0;
  return slot(frame.stack + 8 * static_cast<std::uint64_t>(count - locals - 1));
}

Object Frames::local(const PyFrame& frame, std::string_view name) const {
  const auto& names = frame.code->locals;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (objects_->key_name(names[i]) != name) continue;
    if (const Object object = objects_->through_cell(slot(frame.locals + 8 * i)); object != 0)
      return object;
  }
  return 0;
}

std::vector<std::pair<std::string, Object>> Frames::locals(const PyFrame& frame) const {
  std::vector<std::pair<std::string, Object>> out;
  const auto& names = frame.code->locals;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const Object object = objects_->through_cell(slot(frame.locals + 8 * i));
    if (object != 0) out.emplace_back(objects_->key_name(names[i]), object);
  }
  return out;
}

bool is_made_by_library(const std::vector<PyFrame>& frames, std::size_t i) {
  if (i == 0 || frames[i].code->file != "<string>" || !frames[i - 1].library) return false;
  const Code& callee = *frames[i - 1].code;
  if (callee.file.find("/multiprocessing/") == std::string::npos) return false;
  return callee.name == "_callmethod" || callee.name == "spawn_main" || callee.name == "main";
}

std::vector<snapshot::Frame> describe(const std::vector<PyFrame>& frames) {
  std::vector<snapshot::Frame> out;
  for (std::size_t i = 0; i < frames.size(); ++i) {
    const PyFrame& f = frames[i];
    snapshot::Frame frame;
    frame.kind = snapshot::FrameKind::Interpreted;
    frame.function = escape_untrusted(f.code->function);
    frame.file = escape_untrusted(f.code->file);
    frame.line = f.line;
    frame.entry = f.entry;
    frame.user_code = !f.library && !is_made_by_library(frames, i);
    out.push_back(std::move(frame));
  }
  return out;
}

}  // namespace ipcdoctor::runtime::cpython
