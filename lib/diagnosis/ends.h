#pragma once

#include <span>
#include <vector>

#include "snapshot/snapshot.h"

/// Who has which end of a pipe, socket, queue or terminal open.
namespace ipcdoctor::diagnosis {

using snapshot::ObjectId;
using snapshot::Snapshot;

/// How a process has it.
enum class Hold {
  Descriptor,  ///< in its table
  InFlight,    ///< sent to it with SCM_RIGHTS, not received yet
  Registered,  ///< a fixed file of its io_uring
};

struct Holder {
  Pid pid;
  int fd = -1;  ///< InFlight and Registered: of the socket or ring
  ObjectId object;
  bool reads = false;
  bool writes = false;
  Hold hold = Hold::Descriptor;
  friend bool operator==(const Holder&, const Holder&) = default;
};

/// An index of all descriptor tables of a snapshot; ipcdoctor's own are left out.
class Ends {
 public:
  explicit Ends(const Snapshot& snapshot);

  /// Every holder of that object, by pid and fd.
  std::vector<Holder> holders(const ObjectId& object) const;

  /// Those who could make a read of `object` return: the write end of a pipe, the peer of a socket
  /// or those of the listener that has not accepted it, the other side of a terminal. Where nobody
  /// has a pipe's write end and descriptors are in flight to some socket, the holders of such
  /// sockets.
  std::vector<Holder> senders(const ObjectId& object) const;

  /// Those who could make room in `object` by reading.
  std::vector<Holder> receivers(const ObjectId& object) const;

 private:
  std::span<const Holder> with(const ObjectId& object) const;

  /// A socket or ring that holds a reference to another object.
  struct Carrier {
    ObjectId inner, outer;
    Hold hold;
  };

  const Snapshot& snapshot_;
  std::vector<Holder> by_object_;         ///< sorted by object
  std::vector<Carrier> carriers_;         ///< sorted by inner
  std::vector<ObjectId> loaded_sockets_;  ///< with descriptors in their queues
};

/// The pids of these, each once, sorted.
std::vector<Pid> pids_of(const std::vector<Holder>& holders);

}  // namespace ipcdoctor::diagnosis
