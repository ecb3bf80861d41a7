#pragma once

#include <cstddef>
#include <string>
#include <unordered_map>

#include "base/result.h"
#include "linux/proc_dir.h"
#include "linux/unique_fd.h"

namespace ipcdoctor::linux {

/// Files of /proc that are read again and again, kept open: that is a third of the system calls. An
/// open one belongs to one task for good, so a reused number is never taken for the old one.
class RecordFiles {
 public:
  /// @param most  files to keep open; others are opened each time.
  RecordFiles(ProcDir dir, std::size_t most) : dir_(std::move(dir)), most_(most) {}
  /// For /proc, with half of the descriptors that we may have. @return the Error of /proc
  static Result<RecordFiles> open_system();

  const ProcDir& dir() const { return dir_; }
  /// As ProcDir::read_record(), below the directory. @return Gone, Denied.
  Result<std::string> read(const std::string& name);
  /// Closes what was not read since the last call.
  void end_round();

 private:
  struct File {
    UniqueFd fd;
    bool used = true;
  };

  ProcDir dir_;
  std::size_t most_;
  std::unordered_map<std::string, File> files_;
};

}  // namespace ipcdoctor::linux
