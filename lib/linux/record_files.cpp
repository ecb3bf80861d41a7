#include "linux/record_files.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <iterator>
#include <utility>

#include "linux/one_record.h"

namespace ipcdoctor::linux {

Result<RecordFiles> RecordFiles::open_system() {
  auto dir = ProcDir::open_system();
  if (!dir) return dir.error();
  rlimit files{};
  const bool known = ::getrlimit(RLIMIT_NOFILE, &files) == 0;
  return RecordFiles(*std::move(dir), known ? files.rlim_cur / 2 : 0);
}

Result<std::string> RecordFiles::read(const std::string& name) {
  auto file = files_.find(name);
  for (int attempt = 0; attempt < 2; ++attempt) {
    if (file == files_.end()) {
      if (files_.size() >= most_) return dir_.read_record(name);
      UniqueFd fd(::openat(dir_.fd(), name.c_str(), O_RDONLY | O_CLOEXEC));
      if (!fd.is_open()) return Error{cause_of(errno), errno, "read " + dir_.path() + "/" + name};
      file = files_.emplace(name, File{std::move(fd)}).first;
    }
    file->second.used = true;
    char record[4096];
    const ssize_t n = read_one_record(file->second.fd.get(), record, sizeof record, From::Start);
    if (n >= 0 && static_cast<std::size_t>(n) < sizeof record)
      return std::string(record, static_cast<std::size_t>(n));
    if (n >= 0) break;   // it has no room here
    files_.erase(file);  // the task is gone; the number may be another's by now
    file = files_.end();
  }
  return dir_.read_record(name);
}

void RecordFiles::end_round() {
  for (auto file = files_.begin(); file != files_.end();) {
    const bool used = std::exchange(file->second.used, false);
    file = used ? std::next(file) : files_.erase(file);
  }
}

}  // namespace ipcdoctor::linux
