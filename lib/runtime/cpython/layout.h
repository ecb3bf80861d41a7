#pragma once

#include <cstdint>
#include <span>

#include "base/result.h"

namespace ipcdoctor::runtime::cpython {

/// Where the members of CPython's structures are in one minor version, in bytes from their start.
/// 0 = this version has no such member, except where a structure really begins with it (see the
/// table in layout.cpp).
struct Layout {
  int minor = 0;  ///< 11 of 3.11

  std::uint64_t runtime_interpreters = 0;  ///< _PyRuntimeState.interpreters.head
  std::uint64_t interp_next = 0;
  std::uint64_t interp_threads = 0;  ///< first thread state
  std::uint64_t interp_modules = 0;  ///< the dict sys.modules

  std::uint64_t thread_next = 0;
  std::uint64_t thread_interp = 0;
  std::uint64_t thread_ident = 0;      ///< thread_id: pthread_self()
  std::uint64_t thread_native_id = 0;  ///< 0 before 3.11
  std::uint64_t thread_frame = 0;      ///< the innermost frame, or the _PyCFrame
  bool through_cframe = false;         ///< 3.11, 3.12
  std::uint64_t cframe_frame = 0;

  std::uint64_t header_growth = 0;  ///< of objects without a GIL: 16 bytes more before ob_type
  std::uint64_t managed_dict = 24;  ///< how far before its object the pointer is, from 3.12

  bool frame_is_object = false;  ///< up to 3.10: PyFrameObject; then _PyInterpreterFrame
  std::uint64_t frame_back = 0;
  std::uint64_t frame_code = 0;
  std::uint64_t frame_globals = 0;
  std::uint64_t frame_instr = 0;        ///< pointer; up to 3.10 the int f_lasti
  std::uint64_t frame_locals = 0;       ///< localsplus
  std::uint64_t frame_owner = 0;        ///< char, from 3.11
  bool tagged_slots = false;            ///< from 3.14, and without a GIL: _PyStackRef
  std::uint64_t frame_is_entry = 0;     ///< bool, 3.11 only: before, each is; then a shim tells
  std::uint64_t frame_value_stack = 0;  ///< up to 3.10: f_valuestack
  std::uint64_t frame_block_count = 0;  ///< up to 3.10: f_iblock
  std::uint64_t frame_blocks = 0;       ///< up to 3.10: f_blockstack of {type, handler, level}

  std::uint64_t frame_tlbc_index = 0;  ///< int, without a GIL from 3.14: which copy of the code

  std::uint64_t frame_stack_top = 0;   ///< of a suspended frame: pointer, or int in 3.10 to 3.13
  std::uint64_t coroutine_frame = 16;  ///< up to 3.10 a pointer, then the frame itself
  std::uint64_t coroutine_state = 0;   ///< int8, from 3.11

  std::uint64_t code_filename = 0, code_name = 0, code_qualname = 0;
  std::uint64_t code_first_line = 0, code_line_table = 0, code_exception_table = 0;
  std::uint64_t code_instructions = 0;  ///< co_code_adaptive, from 3.11
  std::uint64_t code_tlbc = 0;          ///< {size, copies[size]} of the instructions, one a thread
  std::uint64_t code_stack_size = 0;    ///< int co_stacksize
  std::uint64_t code_local_names = 0;   ///< tuple of names of localsplus; up to 3.10 co_varnames
  std::uint64_t code_cell_names = 0, code_free_names = 0;  ///< up to 3.10

  std::uint64_t string_length = 16, string_state = 0, string_ascii = 0, string_compact = 0;
  unsigned string_kind_bit = 2;  ///< of the state; compact and ascii follow the three bits of kind
  std::uint64_t type_dict_offset = 288, type_flags = 168, type_base = 256, type_name = 24;
  std::uint64_t cached_keys = 0;  ///< PyHeapTypeObject.ht_cached_keys, from 3.11
  std::uint64_t tuple_items = 24;

  std::uint64_t gil_in_runtime = 0;  ///< up to 3.11: the struct is in _PyRuntime
  std::uint64_t gil_in_interp = 0;   ///< from 3.12: pointer in the interpreter state
  std::uint64_t interp_own_gil =
      0;  ///< debug offsets only: where the interpreter's own GIL is in it
  std::uint64_t gil_holder = 8, gil_locked = 16, gil_size = 208;
};

/// The oldest and the newest minor version that `layout_of` knows without debug offsets.
inline constexpr int kFirstMinor = 8;
inline constexpr int kLastTableMinor = 12;

/// The layout of 3.8 to 3.12, measured with offsetof against the headers
/// of 3.8.18, 3.9.18, 3.10.13, 3.11.7, 3.12.1.
/// @return Unsupported for others.
Result<Layout> layout_of(int minor);

/// The layout of 3.13 and later, from the _Py_DebugOffsets that a runtime begins with.
/// @param words  the first words of _PyRuntime, from the cookie on (at least kDebugOffsetWords).
/// Measured on 3.13.0, 3.13.5, 3.14.10 and 3.15.2.
/// Free-threaded builds were measured on 3.13.5 and 3.14.7.
/// @return Unsupported: no cookie, a version whose table has another order, a free-threaded build
/// that was not measured; Malformed: offsets that cannot be.
inline constexpr std::size_t kDebugOffsetWords = 64;
Result<Layout> layout_from_debug_offsets(std::span<const std::uint64_t> words);

}  // namespace ipcdoctor::runtime::cpython
