#pragma once

#include <vector>

#include "probes/internal/ends.h"
#include "probes/internal/tasks.h"

/// Who keeps a reader from its end-of-file, and how we know that EOF is what it waits for.
namespace ipcdoctor::probes {

/// Why a holder of the write end will not write: the strongest first.
enum class Omission {
  InFlight,        ///< the descriptor sits in a socket's queue: nobody has it
  LeaderExited,    ///< its main thread is gone, others keep the process and its descriptors alive
  LeftTree,        ///< a daemon or orphan inherited it
  WaitsForReader,  ///< it waits for the reader's exit, or only looks for it again and again
  Itself,          ///< the reader has it
  LeakedToFilter,  ///< inherited over exec as an unexpected descriptor; the reader is a filter on
                   ///< its stdin
  Inherited,       ///< a sibling's copy; somebody else waits for the reader's exit
};

struct Blame {
  Holder holder;
  Omission omission = Omission::Inherited;
};

/// A reader and those who keep its channel open. blamed is empty where it may as well wait for
/// data.
struct EofWait {
  TaskRef reader;
  ObjectId object;
  std::vector<Blame> blamed;  ///< of the strongest kinds only, one a process
};

/// It reads all that a command of its own writes, and waits for its end.
bool collects_a_command(const snapshot::Activity& activity);

/// About a member of a stuck set. `tasks` are the members.
std::vector<EofWait> eof_waits_in_set(const Context& context, const Ends& ends,
                                      const std::vector<TaskRef>& tasks, graph::Level level);

/// About live readers of the tree all of whose senders have left it.
std::vector<EofWait> eof_waits_of_live_readers(const Context& context, const Ends& ends);

}  // namespace ipcdoctor::probes
