#include "linux/mapped_files.h"

#include <sys/sysmacros.h>

#include <algorithm>

#include "linux/text_scan.h"

namespace ipcdoctor::linux {

Result<MappedFiles> parse_mapped_files(std::string_view maps) {
  MappedFiles files;
  for (std::string_view line; take_line(maps, line);) {
    (void)take_word(line);  // start-end
    (void)take_word(line);  // permissions
    (void)take_word(line);  // offset
    unsigned major_nr = 0, minor_nr = 0;
    std::uint64_t ino = 0;
    if (!take_number(line, major_nr, 16) || !take_prefix(line, ":") ||
        !take_number(line, minor_nr, 16) || !take_number(line, ino))
      return Error{Cause::Malformed, 0, "parse maps"};
    const std::pair<std::uint64_t, std::uint64_t> file(makedev(major_nr, minor_nr), ino);
    if (ino != 0 && (files.empty() || files.back() != file)) files.push_back(file);
  }
  std::ranges::sort(files);
  const auto repeated = std::ranges::unique(files);
  files.erase(repeated.begin(), repeated.end());
  return files;
}

}  // namespace ipcdoctor::linux
