#include "linux/proc_locks.h"

#include <sys/sysmacros.h>

#include "linux/text_scan.h"

namespace ipcdoctor::linux {
namespace {

FileLockType type_of(std::string_view word) {
  if (word == "FLOCK") return FileLockType::Flock;
  if (word == "POSIX") return FileLockType::Posix;
  if (word == "OFDLCK") return FileLockType::Ofd;
  if (word == "LEASE") return FileLockType::Lease;
  if (word == "DELEG") return FileLockType::Delegation;
  return FileLockType::Other;
}

/// "fe:00:1234", or "<none>:0" where the inode is gone.
bool take_file(std::string_view word, FileLockEntry& entry) {
  if (word.starts_with("<none>:")) return true;
  unsigned major_nr = 0, minor_nr = 0;
  if (!take_number(word, major_nr, 16) || !take_prefix(word, ":") ||
      !take_number(word, minor_nr, 16) || !take_prefix(word, ":") ||
      !take_number(word, entry.ino) || !word.empty()) {
    return false;
  }
  entry.dev = makedev(major_nr, minor_nr);
  return true;
}

}  // namespace

Result<FileLockEntry> parse_lock_line(std::string_view line) {
  const Error malformed{Cause::Malformed, 0, "parse lock"};
  FileLockEntry entry;
  if (!take_number(line, entry.id) || !take_prefix(line, ":")) return malformed;
  skip_blanks(line);
  entry.waiting =
      take_prefix(line, "->");  // deeper levels of waiting only have more blanks before it
  entry.type = type_of(take_word(line));
  (void)take_word(line);  // ADVISORY, MSNFS, ACTIVE, BREAKING: nothing here depends on it
  const std::string_view mode = take_word(line);
  entry.exclusive = mode == "WRITE" || mode == "RW";
  if (!take_number(line, entry.pid) || !take_file(take_word(line), entry)) return malformed;
  if (!take_number(line, entry.start)) return malformed;
  const std::string_view end = take_word(line);
  if (end != "EOF") {
    std::string_view digits = end;
    if (!take_number(digits, entry.end) || !digits.empty() || entry.end < entry.start)
      return malformed;
  }
  if (!is_blank(line)) return malformed;
  return entry;
}

Result<std::vector<FileLockEntry>> parse_locks(std::string_view text) {
  if (!text.empty() && !text.ends_with('\n')) return Error{Cause::Malformed, 0, "parse locks"};
  std::vector<FileLockEntry> locks;
  std::string_view line;
  while (take_line(text, line)) {
    auto lock = parse_lock_line(line);
    if (!lock) return lock.error();
    locks.push_back(*lock);
  }
  return locks;
}

Result<std::vector<FileLockEntry>> read_locks(const ProcDir& system) {
  const auto text = system.read("locks", 64 << 20);
  if (!text) return text.error();
  return parse_locks(*text);
}

}  // namespace ipcdoctor::linux
