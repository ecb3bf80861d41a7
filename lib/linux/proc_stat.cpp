#include "linux/proc_stat.h"

#include "linux/text_scan.h"

namespace ipcdoctor::linux {

Result<Stat> parse_stat(std::string_view line) {
  const Error malformed{Cause::Malformed, 0, "parse stat"};
  const std::size_t open = line.find('(');
  const std::size_t close = line.rfind(')');
  if (open == std::string_view::npos || close == std::string_view::npos || close < open)
    return malformed;

  Stat stat;
  std::string_view front = line.substr(0, open);
  if (!take_number(front, stat.id) || !is_blank(front)) return malformed;
  stat.comm = line.substr(open + 1, close - open - 1);

  std::string_view rest = line.substr(close + 1);
  const std::string_view state = take_word(rest);
  if (state.size() != 1) return malformed;
  stat.state = state.front();

  long long unused = 0;
  unsigned long long unused_fault_count = 0;
  bool complete = take_number(rest, stat.ppid.value) && take_number(rest, stat.pgid.value) &&
                  take_number(rest, stat.sid.value) && take_number(rest, stat.tty_nr) &&
                  take_number(rest, unused) /* tpgid */ && take_number(rest, stat.flags);
  for (int field = 10; complete && field <= 13; ++field)
    complete = take_number(rest, unused_fault_count);
  complete = complete && take_number(rest, stat.utime_ticks) && take_number(rest, stat.stime_ticks);
  for (int field = 16; complete && field <= 19; ++field) complete = take_number(rest, unused);
  complete = complete && take_number(rest, stat.num_threads) &&
             take_number(rest, unused) /* itrealvalue */ && take_number(rest, stat.start_ticks);
  // A number that ends the text may have been cut; the kernel always writes more fields behind it.
  if (!complete || rest.empty()) return malformed;
  bool more =
      take_number(rest, unused_fault_count) /* vsize */ && take_number(rest, unused) /* rss */;
  for (int field = 25; more && field <= 27; ++field) more = take_number(rest, unused_fault_count);
  more = more && take_number(rest, stat.start_stack);
  if (!more) stat.start_stack = 0;
  for (int field = 29; more && field <= 51; ++field) more = !take_word(rest).empty();
  if (!more || !take_number(rest, stat.wait_status)) stat.wait_status = -1;
  return stat;
}

Result<Stat> read_stat(const ProcDir& task) {
  const auto text = task.read_record("stat");
  if (!text) return text.error();
  return parse_stat(*text);
}

}  // namespace ipcdoctor::linux
