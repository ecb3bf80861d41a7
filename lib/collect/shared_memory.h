#pragma once

#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "collect/system.h"
#include "linux/mapped_files.h"
#include "snapshot/snapshot.h"

namespace ipcdoctor::collect {

/// The shared mappings that hold futexes somebody waits on, and everybody who maps them or holds a
/// descriptor of them.
class SharedAreas {
 public:
  explicit SharedAreas(System& system) : system_(system) {}

  void add_waits(ProcessEntry& process);
  /// Until nobody is new in the system and everybody's mappings are known. @return whether there is
  /// one more who maps an area.
  bool look_again();
  const std::set<Pid>& mappers() const { return mappers_; }
  /// nullptr: nobody waits on it.
  const snapshot::SharedArea* find(const snapshot::PageId& page) const;
  bool knows_maps_of(Pid pid) const {
    const auto it = mapped_.find(pid);
    return it != mapped_.end() && it->second;
  }
  /// Sorted by dev and ino.
  std::vector<snapshot::SharedArea> list() const;

 private:
  void add_wait(ProcessEntry& process, const snapshot::Wait& wait);
  void find_mappers(snapshot::SharedArea& area);
  /// nullptr: not known.
  const linux::MappedFiles* mapped_by(ProcessEntry& process);
  std::optional<linux::MappedFiles> read_files(ProcessEntry& process);

  System& system_;
  std::map<std::pair<std::uint64_t, std::uint64_t>, snapshot::SharedArea> areas_;
  std::map<Pid, std::optional<linux::MappedFiles>> mapped_;  ///< by each, asked once
  std::map<const linux::Maps*, linux::MappedFiles> files_of_;
  std::size_t gone_ = 0;        ///< how many had exited before their mappings were read
  std::size_t known_gone_ = 0;  ///< of those at the last look
  std::set<Pid> mappers_;
};

/// Process::mm_group and fd_group of all processes (clone(2) with CLONE_VM or CLONE_FILES and
/// without CLONE_THREAD).
void group_shared_tables(System& system);

}  // namespace ipcdoctor::collect
