#include "runtime/php/frames.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/text.h"
#include "runtime/remote.h"

namespace ipcdoctor::runtime::php {
namespace {

constexpr std::size_t kMaxFrames = 256;
constexpr std::uint64_t kMaxText = 4096;
constexpr std::uint32_t kMaxLine = 10'000'000;

constexpr std::uint64_t kCurrent = 488;  // executor_globals.current_execute_data
// Of zend_execute_data, zend_function and zend_op.
constexpr std::uint64_t kFunction = 24, kPrevious = 48;
constexpr std::uint64_t kName = 8, kClass = 16, kNameOfClass = 8;
constexpr std::uint64_t kOpSize = 32, kOpLine = 24;
constexpr std::uint8_t kInternal = 1, kUser = 2, kEval = 4;

/// Members of zend_op_array: which of these a version has is told by its instruction, which must be
/// one of the function's own.
struct Layout {
  std::uint64_t count, code, file;
};
constexpr Layout kLayouts[] = {
    {80, 88, 152},   // 8.2
    {96, 104, 168},  // 8.4
    {60, 64, 136},   // 7.4
    {68, 72, 144},   // 8.0, which put `attributes` before them
};

struct Function {
  std::string name;  ///< "Queue::take", "main"
  std::string file;
  int line = 0;
  bool is_internal = false;
};

class Reader {
 public:
  explicit Reader(const linux::AddressSpace& space) : remote_(space.memory) {}

  /// nullopt: no such function.
  std::optional<Function> function_of(std::uint64_t call) const {
    const std::uint64_t at = remote_.pointer(call + kFunction);
    const auto type = remote_.get<std::uint8_t>(at);
    if (at == 0 || (type != kInternal && type != kUser && type != kEval)) return std::nullopt;
    Function function;
    function.is_internal = type == kInternal;
    function.name = string(remote_.pointer(at + kName));
    const std::uint64_t klass = remote_.pointer(at + kClass);
    const std::string of = klass == 0 ? "" : string(remote_.pointer(klass + kNameOfClass));
    if (!of.empty()) function.name = of + "::" + function.name;
    if (function.name.empty()) function.name = "main";
    if (function.is_internal) return function;
    const std::uint64_t op = remote_.pointer(call);
    for (const Layout& layout : kLayouts) {
      const std::uint64_t code = remote_.pointer(at + layout.code);
      const std::uint64_t count = remote_.get<std::uint32_t>(at + layout.count);
      if (code == 0 || op < code || (op - code) / kOpSize >= count || (op - code) % kOpSize != 0)
        continue;
      function.file = string(remote_.pointer(at + layout.file));
      if (function.file.empty()) continue;
      const auto line = remote_.get<std::uint32_t>(op + kOpLine);
      function.line = line < kMaxLine ? static_cast<int>(line) : 0;
      return function;
    }
    return std::nullopt;
  }

  std::uint64_t caller_of(std::uint64_t call) const { return remote_.pointer(call + kPrevious); }
  std::uint64_t current(std::uint64_t globals) const { return remote_.pointer(globals + kCurrent); }

 private:
  std::string string(std::uint64_t at) const {
    const std::uint64_t size = at == 0 ? 0 : remote_.word(at + 16);
    if (size == 0 || size > kMaxText) return "";
    std::string text(size, '\0');
    return remote_.read(at + 24, std::as_writable_bytes(std::span(text))) ? text : "";
  }

  Remote remote_;
};

bool is_of_library(std::string_view file) {
  static constexpr std::array<std::string_view, 3> kFolders = {"/share/php/", "/share/pear/",
                                                               "/vendor/"};
  return holds_any(file, kFolders);
}

}  // namespace

Result<std::vector<snapshot::Frame>> read_frames(const linux::AddressSpace& space,
                                                 unwind::Images& images) {
  auto globals = images.address_of(space, "libphp", "executor_globals");
  if (!globals) globals = images.address_of(space, "php", "executor_globals");
  if (!globals) return Error{Cause::Unsupported, 0, "find a PHP"};
  const Reader reader(space);
  std::vector<snapshot::Frame> frames;
  std::size_t inner = 0;  // the first of those that have no line of their own yet
  std::uint64_t call = reader.current(globals->value);
  for (; call != 0 && frames.size() < kMaxFrames; call = reader.caller_of(call)) {
    const auto function = reader.function_of(call);
    if (!function) {
      if (frames.empty()) return Error{Cause::Malformed, 0, "read what a PHP is in"};
      break;
    }
    snapshot::Frame& frame = frames.emplace_back();
    frame.module = "php";
    frame.function = escape_untrusted(function->name);
    if (function->is_internal) continue;
    // those that are written in C are at the line of their caller, as in PHP's own backtraces
    for (; inner < frames.size(); ++inner) {
      frames[inner].file = escape_untrusted(function->file);
      frames[inner].line = function->line;
    }
    frame.user_code = function->line != 0 && !is_of_library(function->file);
  }
  frames.resize(inner);
  return frames;
}

Result<std::vector<Told>> read(const Target& target) {
  auto frames = read_frames(target.space, target.images);
  if (!frames) return frames.error();
  return std::vector{of_main_thread(target, *std::move(frames))};
}

}  // namespace ipcdoctor::runtime::php
