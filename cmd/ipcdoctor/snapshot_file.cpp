#include "snapshot_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <map>
#include <set>
#include <string_view>
#include <utility>

#include "linux/unique_fd.h"
#include "snapshot/codec.h"

namespace ipcdoctor::cmd {

namespace {

using Snapshots = std::vector<snapshot::Snapshot>;
using Texts = std::vector<SnapshotText>;

constexpr std::size_t kMaxBytes = std::size_t{1} << 30;  // of all together
constexpr std::size_t kMaxFiles = 100'000;

Error has_no_snapshot(const std::string& folder) {
  return {Cause::Malformed, 0, "no file in the folder " + folder + " is an ipcdoctor snapshot"};
}

/// Stops at what no text has, such as /dev/zero.
Result<std::string> read_text(int fd, const std::string& name) {
  const Error too_large{Cause::Limit, 0, name + " is larger than 1 GB, as no snapshot is"};
  std::string text;
  struct stat status {};
  if (::fstat(fd, &status) == 0 && S_ISREG(status.st_mode)) {
    const auto size = static_cast<std::size_t>(status.st_size);
    if (size > kMaxBytes) return too_large;
    text.reserve(size);  // what grows is copied, and may be hundreds of megabytes
  }
  std::vector<char> chunk(1 << 20);
  for (;;) {
    const ssize_t n = ::read(fd, chunk.data(), chunk.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Error{cause_of(errno), errno, "read " + name};
    if (n == 0) return text;
    const std::string_view piece(chunk.data(), static_cast<std::size_t>(n));
    text += piece;
    if (piece.find('\0') != piece.npos)
      return Error{Cause::Malformed, 0, name + " is not an ipcdoctor snapshot"};
    if (text.size() > kMaxBytes) return too_large;
  }
}

/// The files that an iterator of a folder comes to. Together they are no more than one may be.
template <class Iterator>
Texts read_entries(const std::string& path) {
  std::vector<std::string> files;
  std::error_code failure;
  Iterator it(path, std::filesystem::directory_options::skip_permission_denied, failure);
  for (; !failure && it != Iterator(); it.increment(failure)) {
    std::error_code gone;
    if (it->is_regular_file(gone) && files.size() < kMaxFiles) files.push_back(it->path().string());
  }
  std::ranges::sort(files);
  Texts all;
  std::size_t bytes = 0;
  for (const std::string& file : files) {
    // some of /proc are called regular and wait for the kernel to say something
    const linux::UniqueFd fd(::open(file.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    auto text = fd.is_open() ? read_text(fd.get(), file) : Error{};
    if (!text || bytes + text->size() > kMaxBytes) continue;
    bytes += text->size();
    all.push_back({file, *std::move(text), path});
  }
  return all;
}

Result<Texts> read_one(const std::string& path) {
  std::error_code unknown;
  if (path != "-" && std::filesystem::is_directory(path, unknown)) {
    Texts all = read_entries<std::filesystem::directory_iterator>(path);
    if (all.empty()) return has_no_snapshot(path);
    return all;
  }
  const bool standard = path == "-";
  const linux::UniqueFd file(standard ? -1 : ::open(path.c_str(), O_RDONLY | O_NOCTTY | O_CLOEXEC));
  if (!standard && !file.is_open()) return Error{cause_of(errno), errno, "read " + path};
  const std::string name = standard ? "standard input" : path;
  auto text = read_text(standard ? STDIN_FILENO : file.get(), name);
  if (!text) return text.error();
  Texts one;
  one.push_back({name, *std::move(text), ""});
  return one;
}

}  // namespace

Result<Texts> read_files(const std::vector<std::string>& paths) {
  Texts all;
  for (const std::string& path : paths) {
    auto some = read_one(path);
    if (!some) return some.error();
    std::ranges::move(*some, std::back_inserter(all));
  }
  return all;
}

Result<Snapshots> parse_files(Texts texts) {
  Snapshots all;
  std::set<std::string> known;
  std::map<std::string, bool> folders;  // whether it has one
  for (SnapshotText& text : texts) {
    auto some = snapshot::load_all(std::exchange(text.bytes, {}));
    if (!some && text.folder.empty())
      return Error{some.error().cause, 0, text.path + " is " + some.error().what};
    if (!text.folder.empty()) folders[text.folder] |= some.has_value();
    if (!some) continue;
    for (snapshot::Snapshot& one : *some)
      if (one.place.id.empty() || known.insert(one.place.id).second) all.push_back(std::move(one));
  }
  for (const auto& [folder, has_one] : folders)
    if (!has_one) return has_no_snapshot(folder);
  return all;
}

Snapshots load_below(const std::string& folder) {
  auto all = parse_files(read_entries<std::filesystem::recursive_directory_iterator>(folder));
  return all ? *std::move(all) : Snapshots{};
}

Result<Snapshots> load_files(const std::vector<std::string>& paths) {
  auto texts = read_files(paths);
  if (!texts) return texts.error();
  return parse_files(*std::move(texts));
}

}  // namespace ipcdoctor::cmd
