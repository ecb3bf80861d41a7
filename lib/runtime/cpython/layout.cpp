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
  l.frame_stack_top = minor == 10 ? 80 : 72;
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
  l.frame_stack_top = 64;
  l.coroutine_frame = minor == 11 ? 80 : 72;
  l.coroutine_state = minor == 11 ? 75 : 67;
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
  l.frame_is_entry = 68;
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
  l.cached_keys = minor >= 15 ? 888 : 880;
  l.tagged_slots = minor >= 14;
  if (minor >= 14) l.tuple_items = 32;  // ob_hash came before them
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

constexpr std::uint64_t kMaxOffset =
    1 << 20;  // no member of these structures is farther from its start

// A build without a GIL (PEP 703): ob_tid, ob_mutex and two counts take the place of ob_refcnt, and
// there is no header of the collector before an object. Measured with offsetof for 3.13 and 3.14.
constexpr int kLastFreeThreadedMinor = 14;
void grow_headers(Layout& l) {
  l.header_growth = 16;
  l.managed_dict = 8;
  l.tagged_slots = true;
  if (l.minor >= 14) l.string_kind_bit = 8;  // `interned` is a whole byte
  for (const auto member :
       {&Layout::coroutine_frame, &Layout::coroutine_state, &Layout::code_exception_table,
        &Layout::code_stack_size, &Layout::string_length, &Layout::string_state,
        &Layout::string_ascii, &Layout::string_compact, &Layout::type_dict_offset,
        &Layout::type_flags, &Layout::type_base, &Layout::type_name, &Layout::cached_keys,
        &Layout::tuple_items})
    l.*member += l.header_growth;
}

// The debug offsets in their order after cookie, version and free_threaded; kSkip = not used here.
// Include/internal/ pycore_runtime.h (3.13) and pycore_debug_offsets.h (3.14, 3.15). "size" stands
// at the head of each structure.
using Member = std::uint64_t Layout::*;
constexpr Member kSkip = nullptr;
constexpr Member kOrder_3_13[] = {
    // runtime: size, finalizing, interpreters_head
    kSkip,
    kSkip,
    &Layout::runtime_interpreters,
    // interpreter: size, id, next, threads_head, gc, imports_modules, sysdict, builtins, ceval_gil,
    // and the GIL's own struct:
    // start, enabled, locked, holder
    kSkip,
    kSkip,
    &Layout::interp_next,
    &Layout::interp_threads,
    kSkip,
    &Layout::interp_modules,
    kSkip,
    kSkip,
    &Layout::gil_in_interp,
    &Layout::interp_own_gil,
    kSkip,
    &Layout::gil_locked,
    &Layout::gil_holder,
    // thread: size, prev, next, interp, current_frame, thread_id, native_thread_id,
    // datastack_chunk, status
    kSkip,
    kSkip,
    &Layout::thread_next,
    &Layout::thread_interp,
    &Layout::thread_frame,
    &Layout::thread_ident,
    &Layout::thread_native_id,
    kSkip,
    kSkip,
    // frame: size, previous, executable, instr_ptr, localsplus, owner
    kSkip,
    &Layout::frame_back,
    &Layout::frame_code,
    &Layout::frame_instr,
    &Layout::frame_locals,
    &Layout::frame_owner,
    // code: size, filename, name, qualname, linetable, firstlineno, argcount, localsplusnames,
    // localspluskinds, co_code_adaptive
    kSkip,
    &Layout::code_filename,
    &Layout::code_name,
    &Layout::code_qualname,
    &Layout::code_line_table,
    &Layout::code_first_line,
    kSkip,
    &Layout::code_local_names,
    kSkip,
    &Layout::code_instructions,
};
constexpr Member kOrder_3_14[] = {
    kSkip,
    kSkip,
    &Layout::runtime_interpreters,
    // threads_main comes after threads_head; code_object_generation, tlbc_generation at the end
    kSkip,
    kSkip,
    &Layout::interp_next,
    &Layout::interp_threads,
    kSkip,
    kSkip,
    &Layout::interp_modules,
    kSkip,
    kSkip,
    &Layout::gil_in_interp,
    &Layout::interp_own_gil,
    kSkip,
    &Layout::gil_locked,
    &Layout::gil_holder,
    kSkip,
    kSkip,
    kSkip,
    kSkip,
    &Layout::thread_next,
    &Layout::thread_interp,
    &Layout::thread_frame,
    &Layout::thread_ident,
    &Layout::thread_native_id,
    kSkip,
    kSkip,
    // stackpointer, tlbc_index at the end
    kSkip,
    &Layout::frame_back,
    &Layout::frame_code,
    &Layout::frame_instr,
    &Layout::frame_locals,
    &Layout::frame_owner,
    kSkip,
    &Layout::frame_tlbc_index,
    kSkip,
    &Layout::code_filename,
    &Layout::code_name,
    &Layout::code_qualname,
    &Layout::code_line_table,
    &Layout::code_first_line,
    kSkip,
    &Layout::code_local_names,
    kSkip,
    &Layout::code_instructions,
    &Layout::code_tlbc,
};
constexpr Member kOrder_3_15[] = {
    kSkip,
    kSkip,
    &Layout::runtime_interpreters,
    kSkip,
    kSkip,
    &Layout::interp_next,
    &Layout::interp_threads,
    kSkip,
    kSkip,
    &Layout::interp_modules,
    kSkip,
    kSkip,
    &Layout::gil_in_interp,
    &Layout::interp_own_gil,
    kSkip,
    &Layout::gil_locked,
    &Layout::gil_holder,
    kSkip,
    kSkip,
    // base_frame, last_profiled_frame, last_profiled_frame_seq come after current_frame; four more
    // at the end, and err_stackitem's one
    kSkip,
    kSkip,
    &Layout::thread_next,
    &Layout::thread_interp,
    &Layout::thread_frame,
    kSkip,
    kSkip,
    kSkip,
    &Layout::thread_ident,
    &Layout::thread_native_id,
    kSkip,
    kSkip,
    kSkip,
    kSkip,
    kSkip,
    kSkip,
    kSkip,
    kSkip,
    &Layout::frame_back,
    &Layout::frame_code,
    &Layout::frame_instr,
    &Layout::frame_locals,
    &Layout::frame_owner,
    kSkip,
    &Layout::frame_tlbc_index,
    kSkip,
    &Layout::code_filename,
    &Layout::code_name,
    &Layout::code_qualname,
    &Layout::code_line_table,
    &Layout::code_first_line,
    kSkip,
    &Layout::code_local_names,
    kSkip,
    &Layout::code_instructions,
    &Layout::code_tlbc,
};

std::span<const Member> order_of(int minor) {
  if (minor == 13) return kOrder_3_13;
  if (minor == 14) return kOrder_3_14;
  if (minor == 15) return kOrder_3_15;
  return {};
}

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
  const std::string name = "3." + std::to_string(minor);
  const std::span<const Member> order = order_of(minor);
  if ((version >> 24) != 3 || order.empty()) {
    return Error{Cause::Unsupported, 0, "read the debug offsets of CPython " + name};
  }
  Layout l = recent_frames(minor);
  const bool free_threaded = words[2] != 0;
  if (free_threaded && minor > kLastFreeThreadedMinor)
    return Error{Cause::Unsupported, 0, "read a free-threaded CPython " + name};
  if (free_threaded) grow_headers(l);
  for (std::size_t i = 0; i < order.size(); ++i) {
    if (order[i] == kSkip) continue;
    if (words[3 + i] >= kMaxOffset)
      return Error{Cause::Malformed, 0, "read the debug offsets of CPython " + name};
    l.*order[i] = words[3 + i];
  }
  // The offsets of the GIL are relative to the interpreter; ours to the GIL, which may be another
  // interpreter's.
  if (l.gil_locked < l.interp_own_gil || l.gil_holder < l.interp_own_gil ||
      l.gil_locked - l.interp_own_gil > 4096) {
    return Error{Cause::Malformed, 0, "read the GIL offsets of CPython " + name};
  }
  l.gil_locked -= l.interp_own_gil;
  l.gil_holder -= l.interp_own_gil;
  return l;
}

}  // namespace ipcdoctor::runtime::cpython
