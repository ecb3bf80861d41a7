#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/ids.h"
#include "snapshot/facts.h"
#include "snapshot/object.h"

/// What a thread does in the words of its language: frames, the call of a library, what it is
/// about.
namespace ipcdoctor::snapshot {

enum class FrameKind { Native, Inlined, Interpreted };

struct Frame {
  FrameKind kind = FrameKind::Native;
  RemoteAddr pc;
  std::string module;        ///< file name of the ELF image; "" for Python
  std::uint64_t offset = 0;  ///< of pc in the module
  std::string function;      ///< "" if unknown
  std::string file;          ///< full path as the debug information or the interpreter has it
  int line = 0;              ///< 0 if unknown
  bool user_code = false;    ///< neither a system library nor the language's own library
  bool guessed = false;      ///< found by scanning, not by unwinding
  bool entry = false;        ///< of a language: its interpreter's loop was entered anew for it
};

/// Something of a language's library that a thread uses or a process has: a queue, a pool, an
/// executor. type and which keys it has are listed in runtime/cpython/objects.md.
struct RuntimeObject {
  std::string type;  ///< "multiprocessing.Queue", "multiprocessing.Pool", "threading.Barrier"
  std::string name;  ///< the variable that names it, "jobs"; "" if unknown
  RemoteAddr address;
  Facts<Number, std::int64_t> numbers;
  Facts<Text, std::string> texts;
  Facts<End, ObjectId> objects;
  std::vector<std::int64_t> worker_pids;  ///< of a pool or executor, as those of `numbers`
};

/// What a call of a language's library is for, in one word for all languages.
enum class Operation {
  None,          ///< not recognised
  Take,          ///< an item from a queue in memory or between processes
  Put,           ///< an item into it
  Acquire,       ///< a lock that its owner releases
  Receive,       ///< data of a connection
  Send,          ///< data into it
  Accept,        ///< a connection
  Serve,         ///< a helper of the library, or a worker without work: it waits for a request
  AwaitSignal,   ///< an event, a notify, a post: anybody may give it
  AwaitResult,   ///< of something that workers or a server were asked for
  AwaitEnd,      ///< of a thread, a process, a pool, of all items of a queue
  AwaitParties,  ///< at a barrier
  AwaitValue,    ///< of a future that is nobody's work, as far as is known: anybody may give it
};

/// What a thread is doing in the words of its language's library, from the frames between the
/// user's code and the kernel.
struct Activity {
  std::string call;  ///< "multiprocessing.Queue.get", "threading.Event.wait", "Pool.map"; "" if
                     ///< none was recognised
  Operation operation = Operation::None;
  RuntimeObject object;  ///< what it is called on
};

}  // namespace ipcdoctor::snapshot
