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

/// What a thing of a library is, in one word for all languages.
enum class Resource {
  Unknown,
  Queue,        ///< items go in and come out
  Pool,         ///< workers that are given tasks; one that died is replaced, its task is not
  FuturesPool,  ///< workers that are given tasks, each with a Future; none is replaced
  Team,         ///< threads that do the parts of one computation
  Future,       ///< a value that comes once
  Lock,         ///< whoever took it gives it back
  Semaphore,    ///< counts what anybody may give
  Event,        ///< is set, for all who wait
  Condition,    ///< notifies those who wait at that moment
  Barrier,      ///< opens when enough have come
  Process,      ///< a child, or a command
  Thread,
  Channel,   ///< a connection: messages, or bytes
  Listener,  ///< takes connections
  Server,    ///< a loop that serves what it listens to
  Proxy,     ///< stands for something that a server has
  Module,    ///< is loaded once, by one
};

/// Whom a thing can be reached by.
enum class Reach {
  Unknown,
  Loop,      ///< the tasks of one event loop
  Memory,    ///< threads with the same memory; a copy over fork is another one
  Tree,      ///< processes of the program that made it
  Anywhere,  ///< whoever knows its name or address
};

/// Something of a language's library that a thread uses or a process has. What a runtime calls it
/// is in the type, which is for people.
struct RuntimeObject {
  std::string type;  ///< "multiprocessing.Queue", "threading.Barrier"
  Resource kind = Resource::Unknown;
  Reach reach = Reach::Unknown;
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

/// What a thread is there for.
enum class Part {
  Program,  ///< the program's own work, or nothing is known
  Worker,   ///< runs what a pool is given, or waits for it
  Feeder,   ///< hands on what others have put into a queue
  Server,   ///< does for others of the program what they ask for, or waits for that
  Helper,   ///< of a library: hands out tasks, delivers results, waits for children
};

/// What a thread is doing in the words of its language's library, from the frames between the
/// user's code and the kernel.
struct Activity {
  std::string call;  ///< "multiprocessing.Queue.get", "threading.Event.wait", "Pool.map"; "" if
                     ///< none was recognised
  Operation operation = Operation::None;
  Part part = Part::Program;
  /// What it is called on. Its kind and reach are known by the call, even where it was not found.
  RuntimeObject object = {};
  /// What a task of its event loop awaits, while the thread itself is in the loop's wait.
  bool in_loop = false;
  std::string wants = {};  ///< for a person: "an item of queue.Queue `jobs`"; "" = as the wait says
};

/// It is there for others, and waits for them to ask.
inline bool is_idle(const Activity& activity) {
  return activity.operation == Operation::Serve && activity.part != Part::Program &&
         !activity.in_loop;
}

}  // namespace ipcdoctor::snapshot
