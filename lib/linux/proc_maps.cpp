#include "linux/proc_maps.h"

#include <sys/sysmacros.h>

#include <algorithm>
#include <charconv>

namespace ipcdoctor::linux {
namespace {

/// Takes a number and the separator behind it off the front.
bool take(std::string_view& line, std::uint64_t& value, int base, char separator) {
  const auto [end, failure] = std::from_chars(line.data(), line.data() + line.size(), value, base);
  if (failure != std::errc{}) return false;
  line.remove_prefix(static_cast<std::size_t>(end - line.data()));
  if (separator == '\0') return true;
  if (line.empty() || line.front() != separator) return false;
  line.remove_prefix(1);
  return true;
}

bool parse_line(std::string_view line, Mapping& m) {
  std::uint64_t major = 0, minor = 0;
  if (!take(line, m.start, 16, '-') || !take(line, m.end, 16, ' ') || line.size() < 5) return false;
  m.readable = line[0] == 'r';
  m.writable = line[1] == 'w';
  m.executable = line[2] == 'x';
  m.shared = line[3] == 's';
  line.remove_prefix(5);
  if (!take(line, m.offset, 16, ' ') || !take(line, major, 16, ':') ||
      !take(line, minor, 16, ' ') || !take(line, m.ino, 10, '\0')) {
    return false;
  }
  m.dev = makedev(static_cast<unsigned>(major), static_cast<unsigned>(minor));
  const std::size_t path = line.find_first_not_of(' ');
  if (path != std::string_view::npos) m.path = line.substr(path);
  return m.start < m.end;
}

}  // namespace

Result<std::vector<Mapping>> parse_maps(std::string_view text) {
  std::vector<Mapping> maps;
  maps.reserve(static_cast<std::size_t>(std::ranges::count(text, '\n')) + 1);
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    Mapping mapping;
    if (!parse_line(line, mapping)) return Error{Cause::Malformed, 0, "parse maps"};
    maps.push_back(std::move(mapping));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  std::ranges::sort(maps, {}, &Mapping::start);
  return maps;
}

Result<std::vector<Mapping>> read_maps(const ProcDir& process) {
  const auto text = process.read("maps", 64 << 20);
  if (!text) return text.error();
  return parse_maps(*text);
}

Result<std::shared_ptr<const Maps>> Maps::read(const ProcDir& process) {
  struct Last {
    std::string text;
    std::shared_ptr<const Maps> maps;
  };
  thread_local Last last;
  auto text = process.read("maps", 64 << 20);
  if (!text) return text.error();
  if (last.maps != nullptr && *text == last.text) return last.maps;
  auto all = parse_maps(*text);
  if (!all) return all.error();
  auto maps = std::make_shared<Maps>();
  maps->all = *std::move(all);
  for (std::uint32_t i = 0; i < maps->all.size(); ++i)
    if (!maps->all[i].path.empty() || maps->all[i].executable) maps->notable.push_back(i);
  last = {*std::move(text), maps};
  return last.maps;
}

const Mapping* find_mapping(const std::vector<Mapping>& maps, RemoteAddr address) {
  const auto it = std::ranges::upper_bound(maps, address.value, {}, &Mapping::start);
  if (it == maps.begin()) return nullptr;
  const Mapping& mapping = *std::prev(it);
  return address.value < mapping.end ? &mapping : nullptr;
}

}  // namespace ipcdoctor::linux
