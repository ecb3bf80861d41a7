#pragma once

#include <map>
#include <set>
#include <vector>

#include "collect/sockets.h"
#include "collect/system.h"
#include "snapshot/snapshot.h"

namespace ipcdoctor::collect {

/// The kernel objects that matter: what somebody waits on and what belongs to it (peers, listeners,
/// members of epoll sets).
class Objects {
 public:
  explicit Objects(System& system) : system_(system) {}

  /// Takes in what the threads of a process wait on, and corrects the ids in their waits.
  void add_waits(ProcessEntry& process);

  bool is_relevant(const snapshot::ObjectId& id) const { return objects_.contains(id); }
  /// Takes in all TCP connections of a process, whether somebody waits for them or not: their other
  /// ends may be on other hosts, whose snapshots will ask who holds them here.
  void add_connections(ProcessEntry& process);
  /// Tells which sockets those who are looked into have; before their waits are added.
  void identify_sockets();
  void keep_networks() { sockets_.keep_networks(); }
  const std::vector<snapshot::NetNamespace>& networks() const { return sockets_.networks(); }

  /// This descriptor lets its holder end a wait that the tree depends on: the holder should be
  /// looked into.
  bool is_contested(const snapshot::Fd& fd) const;

  /// Rings with fixed files, and the sockets of the system, which may carry descriptors: holders
  /// that no table shows.
  void add_hidden_holders();
  bool unknown_fds_in_flight() const { return unknown_fds_in_flight_; }

  /// Names, queues and states; last, because they need the final set.
  void read_facts();

  /// Sorted by id.
  std::vector<snapshot::Object> list() const;

 private:
  struct Place {
    ProcessEntry* process = nullptr;
    Tid tid;
    int fd = -1;
  };
  void add(const snapshot::ObjectId& id, const Place& place, snapshot::Access contested);
  void add_socket(snapshot::Object& object, snapshot::Access contested);
  void add_epoll_members(const snapshot::ObjectId& id, const Place& place,
                         snapshot::Access contested);
  snapshot::ObjectId find_watched(const Place& place, int fd, std::uint64_t ino);
  void add_addressed_peer(ProcessEntry& process, ThreadEntry& thread);
  void identify(snapshot::ObjectKind kind);
  void name_sockets();
  void refresh(ProcessEntry& process, ThreadEntry& thread, snapshot::Wait& wait);
  void add_objects_of(snapshot::Wait& wait, ProcessEntry& process, ThreadEntry& thread);
  void find_fds_in_flight();
  bool is_peer_near(const snapshot::ObjectId& id);
  std::map<snapshot::ObjectId, Place> find_places();
  void read_facts_of(snapshot::Object& object, const Place& place);
  void mark_kernel_users();
  /// References to the file that calls have which wait with one of its descriptors.
  std::size_t calls_with(const PipeEnds::File& file) const;
  snapshot::Counted counted(const PipeEnds& pipe, bool PipeEnds::File::*side,
                            std::uint32_t all) const;
  /// Sets Wait::is_first.
  void mark_first_reads();

  System& system_;
  Sockets sockets_;
  std::set<snapshot::ObjectKind> identified_;
  std::map<snapshot::ObjectId, snapshot::Object> objects_;
  std::map<snapshot::ObjectId, snapshot::Access> contested_;
  bool unknown_fds_in_flight_ = false;
};

/// Whether time or the world outside of all processes can surely end this wait.
bool is_plainly_live(const snapshot::Wait& wait);

}  // namespace ipcdoctor::collect
