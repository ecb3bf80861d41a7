#include "runtime/node/v8.h"

#include <algorithm>
#include <array>
#include <span>

#include "base/text.h"
#include "runtime/node/positions.h"

namespace ipcdoctor::runtime::node {
namespace {

constexpr std::size_t kMaxStack = 1 << 20;
constexpr std::size_t kMaxFrames = 64;
constexpr std::size_t kMaxName = 1024;
constexpr std::size_t kMaxSource = 4 << 20;
constexpr std::int32_t kMaxTable = 1 << 20;
constexpr std::int32_t kWord = 8;

bool is_object(std::uint64_t value) {
  return (value & 3) == 1 && value > 4096 && value < (std::uint64_t{1} << 47);
}

/// A number in the upper half of a word; nullopt: it is an object.
std::optional<std::int32_t> small_of(std::uint64_t value) {
  if ((value & 0xffffffff) != 0) return std::nullopt;
  return static_cast<std::int32_t>(value >> 32);
}

std::string file_of(std::string name) {
  constexpr std::string_view kScheme = "file://";
  if (name.starts_with(kScheme)) name.erase(0, kScheme.size());
  return name;
}

bool is_of_library(std::string_view file) {
  return file.starts_with("node:") || file.starts_with("internal/") || file == "[eval]-wrapper" ||
         file.find("/node_modules/") != std::string_view::npos;
}

}  // namespace

Result<V8> V8::find(const linux::AddressSpace& space, unwind::Images& images) {
  auto names = images.variables_named(space, "libnode", "v8dbg_");
  if (names.empty()) names = images.variables_named(space, "node", "v8dbg_");
  if (names.empty()) return Error{Cause::Unsupported, 0, "find a V8"};
  V8 v8(space);
  if (!v8.read_constants(names)) return Error{Cause::Malformed, 0, "read the constants of a V8"};
  return v8;
}

/// A constant's name ends with the type of the member, which versions spell differently.
bool V8::read_constants(const std::map<std::string, RemoteAddr>& names) {
  struct Wanted {
    const char* name;
    std::int32_t Constants::*member;
  };
  static constexpr Wanted kWanted[] = {
      {"class_Map__instance_type__", &Constants::type},
      {"off_fp_function", &Constants::function},
      {"off_fp_bytecode_offset", &Constants::offset},
      {"off_fp_bytecode_array", &Constants::code},
      {"class_JSFunction__shared__", &Constants::shared},
      {"class_SharedFunctionInfo__name_or_scope_info__", &Constants::name},
      {"class_SharedFunctionInfo__script_", &Constants::script},  // script_or_debug_info
      {"class_Script__name__", &Constants::file},
      {"class_Script__source__", &Constants::source},
      {"class_BytecodeArray__data__", &Constants::bytes},
      {"class_String__length__", &Constants::length},
      {"class_SeqOneByteString__chars__", &Constants::one_byte},
      {"class_SeqTwoByteString__chars__", &Constants::two_byte},
      {"class_ConsString__first__", &Constants::first},
      {"class_ConsString__second__", &Constants::second},
      {"class_ThinString__actual__", &Constants::actual},
      {"FirstNonstringType", &Constants::not_string},
      {"StringRepresentationMask", &Constants::shape},
      {"StringEncodingMask", &Constants::encoding},
      {"SeqStringTag", &Constants::sequential},
      {"ConsStringTag", &Constants::cons},
      {"ThinStringTag", &Constants::thin},
      {"OneByteStringTag", &Constants::is_one_byte},
      {"type_BytecodeArray__", &Constants::is_code},
      {"type_Script__", &Constants::is_script},
      {"type_SharedFunctionInfo__", &Constants::is_shared},
      {"type_ScopeInfo__", &Constants::is_scope},
      {"scopeinfo_idx_ncontextlocals", &Constants::scope_locals},
      {"scopeinfo_idx_first_vars", &Constants::scope_first},
  };
  return std::ranges::all_of(kWanted, [&](const Wanted& wanted) {
    const std::string name = std::string("v8dbg_") + wanted.name;
    const auto it = names.lower_bound(name);
    if (it == names.end() || !it->first.starts_with(name)) return false;
    const auto value = remote_.find<std::int32_t>(it->second.value);
    if (!value || *value < -4096 || *value > 65536) return false;
    k_.*wanted.member = *value;
    return true;
  });
}

std::uint64_t V8::field(std::uint64_t object, std::int32_t offset) const {
  return is_object(object) ? remote_.word(object - 1 + static_cast<std::uint64_t>(offset)) : 0;
}

std::int32_t V8::type_of(std::uint64_t object) const {
  const std::uint64_t map = field(object, 0);
  if (!is_object(map)) return -1;
  return remote_.get<std::uint16_t>(map - 1 + static_cast<std::uint64_t>(k_.type));
}

/// As UTF-8, but for what is neither ASCII nor one byte: that is '?'. Strings that an embedder
/// keeps outside of the heap are "".
std::string V8::string(std::uint64_t value, std::size_t limit, int depth) const {
  constexpr int kMaxDepth = 8;
  const std::int32_t type = type_of(value);
  if (type < 0 || type >= k_.not_string || depth > kMaxDepth) return "";
  const std::int32_t shape = type & k_.shape;
  if (shape == k_.thin) return string(field(value, k_.actual), limit, depth + 1);
  if (shape == k_.cons) {
    std::string text = string(field(value, k_.first), limit, depth + 1);
    return text + string(field(value, k_.second), limit - std::min(limit, text.size()), depth + 1);
  }
  if (shape != k_.sequential) return "";
  const std::size_t size = remote_.get<std::uint32_t>(value - 1 + static_cast<unsigned>(k_.length));
  if (size > limit) return "";
  std::string text(size, '\0');
  if ((type & k_.encoding) == k_.is_one_byte) {
    const std::uint64_t at = value - 1 + static_cast<unsigned>(k_.one_byte);
    return remote_.read(at, std::as_writable_bytes(std::span(text))) ? text : "";
  }
  std::vector<char16_t> wide(size);
  const std::uint64_t at = value - 1 + static_cast<unsigned>(k_.two_byte);
  if (!remote_.read(at, std::as_writable_bytes(std::span(wide)))) return "";
  std::ranges::transform(wide, text.begin(),
                         [](char16_t c) { return c < 0x80 ? static_cast<char>(c) : '?'; });
  return text;
}

/// The name itself, or a ScopeInfo that has it behind the names and facts of its variables.
std::string V8::name_of(std::uint64_t shared) const {
  constexpr std::int32_t kMaxLocals = 1000, kAtMost = 3;
  const std::uint64_t name = field(shared, k_.name);
  if (type_of(name) != k_.is_scope) return string(name, kMaxName);
  const auto locals = small_of(field(name, kWord * (1 + k_.scope_locals)));
  if (!locals || *locals < 0 || *locals > kMaxLocals) return "";
  const std::int32_t behind = 1 + k_.scope_first + 2 * *locals;
  for (std::int32_t i = behind; i < behind + kAtMost; ++i) {
    const std::uint64_t word = field(name, kWord * i);
    if (is_object(word)) return string(word, kMaxName);
  }
  return "";
}

/// @param offset  of the instruction in its bytecode
int V8::line_of(std::uint64_t code, std::int64_t offset, std::uint64_t source) const {
  const std::string text = string(source, kMaxSource);
  if (text.empty()) return 0;
  // the table is an array of bytes, as that of handlers is: which is which differs by version
  for (std::int32_t i = 2; i <= 5; ++i) {
    const std::uint64_t array = field(code, kWord * i);
    const auto size = is_object(array) ? small_of(field(array, kWord)) : std::nullopt;
    if (!size || *size < 2 || *size > kMaxTable) continue;
    const auto bytes = remote_.bytes(array - 1 + 2 * kWord, static_cast<std::size_t>(*size));
    const auto position = position_of(bytes, offset, static_cast<std::int64_t>(text.size()));
    if (!position) continue;
    return 1 + static_cast<int>(std::count(text.begin(), text.begin() + *position, '\n'));
  }
  return 0;
}

std::optional<snapshot::Frame> V8::frame_of(std::uint64_t function, std::uint64_t code,
                                            std::uint64_t offset) const {
  const std::uint64_t shared = field(function, k_.shared);
  const auto at = small_of(offset);
  if (type_of(code) != k_.is_code || !at || type_of(shared) != k_.is_shared) return std::nullopt;
  const std::uint64_t script = field(shared, k_.script);
  if (type_of(script) != k_.is_script) return std::nullopt;
  const std::string name = name_of(shared);
  const std::string file = file_of(string(field(script, k_.file), kMaxName));
  snapshot::Frame frame;
  frame.module = "node";
  frame.function = name.empty() ? "(anonymous)" : escape_untrusted(name);
  frame.file = escape_untrusted(file);
  // it counts from the array's tagged begin, and its header ends two bytes before what is exported
  if (!is_of_library(file))
    frame.line = line_of(code, *at - k_.bytes + 2, field(script, k_.source));
  frame.user_code = frame.line != 0;
  return frame;
}

std::vector<snapshot::Frame> V8::frames(RemoteAddr sp) const {
  std::vector<snapshot::Frame> found;
  const linux::Mapping* stack = linux::find_mapping(space_->maps(), sp);
  if (stack == nullptr || sp.value % kWord != 0) return found;
  std::vector<std::uint64_t> words(std::min<std::uint64_t>(stack->end - sp.value, kMaxStack) /
                                   kWord);
  if (!remote_.read(sp.value, std::as_writable_bytes(std::span(words)))) return found;
  // C++ between them need not keep frame pointers: each place is looked at
  const auto word = [&](std::size_t frame, std::int32_t offset) {
    const auto at = static_cast<std::ptrdiff_t>(frame) + offset / kWord;
    return at < 0 || at >= std::ssize(words) ? 0 : words[static_cast<std::size_t>(at)];
  };
  for (std::size_t i = 0; i < words.size() && found.size() < kMaxFrames; ++i) {
    const std::uint64_t caller = words[i], here = sp.value + i * kWord;
    const bool is_link = caller > here && caller < stack->end && caller % kWord == 0;
    if (!is_link || !is_object(word(i, k_.function)) || !is_object(word(i, k_.code))) continue;
    auto frame = frame_of(word(i, k_.function), word(i, k_.code), word(i, k_.offset));
    if (frame) found.push_back(*std::move(frame));
  }
  return found;
}

Result<std::vector<Told>> read(const Target& target) {
  const auto v8 = V8::find(target.space, target.images);
  if (!v8) return v8.error();
  std::vector<Told> told;
  for (const Blocked& thread : target.threads) {
    Told of;
    of.tid = thread.tid;
    of.frames = v8->frames(thread.sp);
    if (of.frames.empty()) continue;
    const snapshot::Frame& inner = of.frames.front();
    if (inner.function == "spawnSync" && inner.file == "node:internal/child_process") {
      of.activity.emplace();
      of.activity->call = "child_process.spawnSync";
      of.activity->operation = snapshot::Operation::AwaitEnd;
    }
    told.push_back(std::move(of));
  }
  return told;
}

}  // namespace ipcdoctor::runtime::node
