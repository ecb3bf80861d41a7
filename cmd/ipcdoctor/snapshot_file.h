#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "snapshot/snapshot.h"

namespace ipcdoctor::cmd {

/// A file as it is, not looked into.
struct SnapshotText {
  std::string path;  ///< or what it is called in messages
  std::string bytes;
  std::string folder;  ///< that was asked for; what is no snapshot in it is passed over
};
/// The files that load_files() reads. Whatever they hold, nothing here parses it.
Result<std::vector<SnapshotText>> read_files(const std::vector<std::string>& paths);
/// @return why not, with the path
Result<std::vector<snapshot::Snapshot>> parse_files(std::vector<SnapshotText> texts);

/// All that these files hold, also where an engine wrote the names of hosts before the lines; a
/// folder stands for the files in it that are snapshots, "-" for standard input. Each is there
/// once.
/// @return why not, with the path
Result<std::vector<snapshot::Snapshot>> load_files(const std::vector<std::string>& paths);

/// The snapshots among all files of a folder and of those in it; what is none is passed over.
std::vector<snapshot::Snapshot> load_below(const std::string& folder);

}  // namespace ipcdoctor::cmd
