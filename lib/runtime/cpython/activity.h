#pragma once

#include <string>
#include <vector>

#include "runtime/cpython/frames.h"
#include "runtime/cpython/types.h"
#include "snapshot/snapshot.h"

namespace ipcdoctor::runtime::cpython {

/// What a thread's library frames say that it does.
struct Doing {
  std::string call;    ///< as in objects.md; "" = nothing was recognised
  Object object = 0;   ///< what it is called on; 0 = unknown
  std::string detail;  ///< the name of a proxy's method
};

/// Chooses the outermost telling library frame between the user's code (or the start of the thread
/// or process) and the kernel, by file and function; see objects.md.
Doing find_activity(const std::vector<PyFrame>& frames, const Frames& reader,
                    const Objects& objects, const Types& types);

/// What the thread is there for, by the frames that it was begun with: Program if they are none of
/// the library's.
snapshot::Part part_of(const std::vector<PyFrame>& frames);

/// "serve_forever() of socketserver.py": the function on the stack that would have to end the wait
/// of that call; "" if none is.
std::string enclosing(std::string_view call, const std::vector<PyFrame>& frames);

/// How many of the frames, from the innermost, this process or thread itself entered: those beyond
/// the start of a multiprocessing child belong to the parent's call of start() and were copied by
/// fork.
std::size_t own_frames(const std::vector<PyFrame>& frames);

}  // namespace ipcdoctor::runtime::cpython
