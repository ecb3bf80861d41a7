#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "runtime/cpython/objects.h"
#include "snapshot/snapshot.h"

namespace ipcdoctor::runtime::cpython {

inline constexpr std::size_t kMaxFrames = 4096;

/// A code object of the target. Names and file are as the target has them: unsafe to print.
struct Code {
  std::string function;  ///< co_qualname, or co_name before 3.11
  std::string name;      ///< co_name
  std::string file;
  int first_line = 0;
  std::vector<std::uint8_t> line_table;
  std::vector<std::uint8_t> exception_table;
  std::vector<Object> locals;  ///< str objects: the names of the slots of localsplus, in order
  std::uint32_t stack_size = 0;
};

/// One activation of Python code in a thread.
struct PyFrame {
  std::uint64_t address = 0;
  Object object = 0;         ///< the code object
  std::uint64_t offset = 0;  ///< of the instruction in progress, or of its last inline cache; bytes
  std::shared_ptr<const Code> code;
  int line = 0;
  Object globals = 0;
  std::uint64_t locals = 0;      ///< address of the first slot of localsplus
  std::uint64_t stack = 0;       ///< address of the first slot of the value stack
  std::uint32_t live_stack = 0;  ///< slots of it that are surely live (see handler_depth)
  std::uint32_t stack_size = 0;  ///< slots it may have
  bool entry = false;            ///< C code called the evaluation loop for it
  bool library = false;  ///< its file belongs to the standard library or to installed packages
};

/// Reads frames and code objects; code is read once an object.
class Frames {
 public:
  explicit Frames(const Objects& objects) : objects_(&objects) {}

  /// The frames of a thread state, innermost first, at most `limit`.
  std::vector<PyFrame> read(std::uint64_t thread_state, std::size_t limit = kMaxFrames) const;

  /// The frame of a coroutine or generator that is suspended; nullopt: it runs, has ended or has
  /// not begun.
  std::optional<PyFrame> suspended(Object coroutine) const;
  /// What a suspended frame awaits: the top of its value stack; 0 = nothing.
  Object top_of_stack(const PyFrame& frame) const;

  /// The object in a slot of the frame; stack references of 3.14 are untagged, cells are followed.
  Object local(const PyFrame& frame, std::string_view name) const;
  /// All named locals that are set.
  std::vector<std::pair<std::string, Object>> locals(const PyFrame& frame) const;
  Object slot(std::uint64_t address) const;
  /// A number that stands in a slot instead of an object, from 3.14 on: a place in the code, or how
  /// far a loop over what lies below it has come.
  std::optional<std::int64_t> number(std::uint64_t address) const;

 private:
  std::shared_ptr<const Code> code_at(Object code) const;
  void read_slots(Object code, Code& out) const;
  bool fill(std::uint64_t frame, PyFrame& out) const;
  std::uint64_t first_instruction(std::uint64_t frame, Object code) const;
  void fill_live_stack(std::uint64_t frame, std::uint64_t offset, PyFrame& out) const;

  const Objects* objects_;
  mutable std::unordered_map<Object, std::shared_ptr<const Code>> codes_;
};

/// Whether a file is the interpreter's or a package's rather than the user's: under
/// lib*/pythonX.Y/, in site-packages or dist-packages, or frozen.
bool is_library_file(std::string_view file);

/// Whether frame i is code that multiprocessing compiled from a string: a manager proxy's methods,
/// which do nothing but _callmethod(), and the `python -c` that starts its processes.
bool is_made_by_library(const std::vector<PyFrame>& frames, std::size_t i);

/// The frames for the snapshot: escaped, with user_code set.
std::vector<snapshot::Frame> describe(const std::vector<PyFrame>& frames);

}  // namespace ipcdoctor::runtime::cpython
