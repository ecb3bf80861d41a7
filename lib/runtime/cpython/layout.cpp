#include "runtime/cpython/layout.h"

#include <algorithm>
#include <cstring>
#include <string>

namespace ipcdoctor::runtime::cpython {
namespace {

// 3.8 to 3.10: frames are PyFrameObjects, the GIL is in _PyRuntime.
Layout object_frames(int minor) {
  Layout l;
  l.minor = minor;
  l.runtime_interpreters = 32;
  l.interp_next = 0;
  l.interp_threads = 8;
  l.interp_modules = minor == 8 ? 56 : 856;
  l.thread_next = 8;
  l.thread_interp = 16;
  l.thread_ident = 176;
  l.thread_frame = 24;
  l.frame_is_object = true;
  l.frame_back = 24;
  l.frame_code = 32;
  l.frame_globals = 48;
  l.frame_value_stack = 64;
  l.frame_instr = minor == 10 ? 96 : 104;
  l.frame_block_count = minor == 10 ? 104 : 112;
  l.frame_blocks = minor == 10 ? 112 : 120;
  l.frame_locals = minor == 10 ? 352 : 360;
  l.code_filename = 104;
  l.code_name = 112;
  l.code_first_line = 40;
  l.code_line_table = 120;
  l.code_stack_size = 32;
  l.code_local_names = 72;
  l.code_free_names = 80;
  l.code_cell_names = 88;
  l.string_state = 32;
  l.string_ascii = 48;
  l.string_compact = 72;
  l.gil_in_runtime = minor == 8 ? 1152 : 352;
  return l;
}

Layout interpreter_frames(int minor) {
  Layout l;
  l.minor = minor;
  l.thread_next = 8;
  l.thread_interp = 16;
  l.frame_instr = 56;
  l.frame_locals = 72;
  l.code_filename = 112;
  l.code_name = 120;
  l.code_qualname = 128;
  l.code_line_table = 136;
  l.code_exception_table = 40;
  l.code_local_names = 96;
  l.string_state = 32;
  return l;
}

Layout python_3_11() {
  Layout l = interpreter_frames(11);
  l.runtime_interpreters = 40;
  l.interp_next = 0;
  l.interp_threads = 16;
  l.interp_modules = 888;
  l.thread_ident = 152;
  l.thread_native_id = 160;
  l.through_cframe = true;
  l.thread_frame = 56;
  l.cframe_frame = 8;
  l.frame_back = 48;
  l.frame_code = 32;
  l.frame_globals = 8;
  l.frame_owner = 69;
  l.code_first_line = 72;
  l.code_stack_size = 68;
  l.code_instructions = 184;
  l.string_ascii = 48;
  l.string_compact = 72;
  l.cached_keys = 872;
  l.gil_in_runtime = 360;
  return l;
}

// What 3.12 and all later versions have in common, as far as debug offsets do not tell.
Layout recent_frames(int minor) {
  Layout l = interpreter_frames(minor);
  l.frame_back = 8;
  l.frame_code = 0;
  l.frame_globals = 24;
  l.frame_owner = 70;
  l.code_first_line = 68;
  l.code_stack_size = 64;
  l.string_ascii = 40;
  l.string_compact = 56;
  l.cached_keys = 880;
  return l;
}

Layout python_3_12() {
  Layout l = recent_frames(12);
  l.runtime_interpreters = 40;
  l.interp_next = 0;
  l.interp_threads = 72;
  l.interp_modules = 944;
  l.thread_ident = 136;
  l.thread_native_id = 144;
  l.through_cframe = true;
  l.thread_frame = 56;
  l.cframe_frame = 0;
  l.code_instructions = 192;
  l.gil_in_interp = 384;
  return l;
}

constexpr std::uint64_t kMaxOffset = 1 << 20;  // no member of these structures is farther from its start

// The debug offsets in their order, as Include/internal/pycore_debug_offsets.h has them; nullptr = not used here.
using Member = std::uint64_t Layout::*;
constexpr Member kNone = nullptr;
constexpr Member kOrder_3_13[] = {
    kNone, kNone, &Layout::runtime_interpreters,                                      // size, finalizing
    kNone, kNone, &Layout::interp_next, &Layout::interp_threads, kNone, &Layout::interp_modules, kNone, kNone,
    &Layout::gil_in_interp, kNone, kNone, &Layout::gil_locked, &Layout::gil_holder,   // the last two: see below
    kNone, kNone, &Layout::thread_next, &Layout::thread_interp, &Layout::thread_frame, &Layout::thread_ident,
    &Layout::thread_native_id, kNone, kNone,
    kNone, &Layout::frame_back, &Layout::frame_code, &Layout::frame_instr, &Layout::frame_locals, &Layout::frame_owner,
    kNone, &Layout::code_filename, &Layout::code_name, &Layout::code_qualname, &Layout::code_line_table,
    &Layout::code_first_line, kNone, &Layout::code_local_names, kNone, &Layout::code_instructions,
};

}  // namespace

Result<Layout> layout_of(int minor) {
  switch (minor) {
    case 8:
    case 9:
    case 10:
      return object_frames(minor);
    case 11:
      return python_3_11();
    case 12:
      return python_3_12();
    default:
      return Error{Cause::Unsupported, 0, "read the layout of CPython 3." + std::to_string(minor)};
  }
}

Result<Layout> layout_from_debug_offsets(std::span<const std::uint64_t> words) {
  if (words.size() < kDebugOffsetWords || std::memcmp(words.data(), "xdebugpy", 8) != 0) {
    return Error{Cause::Unsupported, 0, "find the debug offsets of CPython"};
  }
  const std::uint64_t version = words[1];
  const int minor = static_cast<int>((version >> 16) & 0xff);
  if ((version >> 24) != 3 || minor != 13) {
    return Error{Cause::Unsupported, 0, "read the debug offsets of CPython 3." + std::to_string(minor)};
  }
  Layout l = recent_frames(minor);
  l.free_threaded = words[2] != 0;
  for (std::size_t i = 0; i < std::size(kOrder_3_13); ++i) {
    if (kOrder_3_13[i] == kNone) continue;
    if (words[3 + i] >= kMaxOffset) return Error{Cause::Malformed, 0, "read the debug offsets of CPython"};
    l.*kOrder_3_13[i] = words[3 + i];
  }
  // The offsets of the GIL are relative to the interpreter's own copy of its struct.
  const std::uint64_t own_gil = words[15];
  if (l.gil_locked < own_gil || l.gil_holder < own_gil || l.gil_locked - own_gil > 4096) {
    return Error{Cause::Malformed, 0, "read the GIL offsets of CPython"};
  }
  l.gil_locked -= own_gil;
  l.gil_holder -= own_gil;
  return l;
}

}  // namespace ipcdoctor::runtime::cpython
