#include "snapshot_file.h"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <set>

#include "snapshot/codec.h"

namespace ipcdoctor::cmd {

Result<snapshot::Snapshot> load_file(const std::string& path) {
  errno = 0;
  std::error_code unknown;  // then opening it says why
  if (std::filesystem::is_directory(path, unknown))
    return Error{cause_of(EISDIR), EISDIR, "read " + path};
  std::ifstream file(path);
  if (!file) return Error{cause_of(errno), errno, "read " + path};
  Result<snapshot::Snapshot> snapshot = snapshot::load(file);
  if (!snapshot) return Error{snapshot.error().cause, 0, path + " is " + snapshot.error().what};
  return snapshot;
}

namespace {

using Snapshots = std::vector<snapshot::Snapshot>;
using Loaded = Result<Snapshots>;

constexpr std::size_t kMaxBytes = std::size_t{4} << 30;
constexpr std::size_t kMaxFiles = 100'000;

/// Stops at what no text has, such as /dev/zero.
Loaded load_stream(std::istream& in, const std::string& path) {
  std::string text;
  std::vector<char> chunk(1 << 20);
  do {
    in.read(chunk.data(), static_cast<std::streamsize>(chunk.size()));
    text.append(chunk.data(), static_cast<std::size_t>(in.gcount()));
    const bool is_text =
        text.find('\0', text.size() - static_cast<std::size_t>(in.gcount())) == std::string::npos;
    if (!is_text || text.size() > kMaxBytes)
      return Error{Cause::Malformed, 0, path + " is not an ipcdoctor snapshot"};
  } while (in);
  Loaded snapshots = snapshot::load_all(text);
  if (!snapshots) return Error{snapshots.error().cause, 0, path + " is " + snapshots.error().what};
  return snapshots;
}

/// The snapshots among the files that an iterator of a folder comes to.
template <class Iterator>
Snapshots load_entries(const std::string& path) {
  std::vector<std::string> files;
  std::error_code failure;
  for (const auto& entry : Iterator(path, failure))
    if (entry.is_regular_file(failure) && files.size() < kMaxFiles)
      files.push_back(entry.path().string());
  std::ranges::sort(files);
  Snapshots all;
  for (const std::string& file : files) {
    std::ifstream in(file);
    Loaded some = load_stream(in, file);
    if (some) std::ranges::move(*some, std::back_inserter(all));
  }
  return all;
}

Loaded load_folder(const std::string& path) {
  Snapshots all = load_entries<std::filesystem::directory_iterator>(path);
  if (all.empty()) return Error{cause_of(EISDIR), EISDIR, "read " + path};
  return all;
}

Loaded load_one(const std::string& path) {
  std::error_code unknown;
  if (path == "-") return load_stream(std::cin, "standard input");
  if (std::filesystem::is_directory(path, unknown)) return load_folder(path);
  errno = 0;
  std::ifstream file(path);
  if (!file) return Error{cause_of(errno), errno, "read " + path};
  return load_stream(file, path);
}

}  // namespace

Snapshots load_below(const std::string& folder) {
  return load_entries<std::filesystem::recursive_directory_iterator>(folder);
}

Loaded load_files(const std::vector<std::string>& paths) {
  Snapshots all;
  std::set<std::string> known;
  for (const std::string& path : paths) {
    Loaded some = load_one(path);
    if (!some) return some.error();
    for (snapshot::Snapshot& one : *some)
      if (one.place.id.empty() || known.insert(one.place.id).second) all.push_back(std::move(one));
  }
  return all;
}

}  // namespace ipcdoctor::cmd
