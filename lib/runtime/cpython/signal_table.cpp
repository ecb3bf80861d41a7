#include "runtime/cpython/signal_table.h"

#include <signal.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "runtime/cpython/threads.h"

namespace ipcdoctor::runtime::cpython {
namespace {

constexpr int kSignals = 65;          // Py_NSIG of Linux
constexpr std::uint64_t kEntry = 16;  // {int tripped; PyObject *func}
constexpr std::uint64_t kTableSize = kSignals * kEntry;
constexpr std::size_t kMaxSearched = 8U << 20;  // bytes of an image's writable data

class Finder {
 public:
  Finder(const Objects& objects, const Runtime& runtime, const linux::AddressSpace& space,
         Object modules)
      : objects_(objects),
        remote_(objects.remote()),
        runtime_(runtime),
        space_(space),
        modules_(modules) {}

  Result<SignalTable> read() {
    const auto table = find_handlers();
    if (!table) return Error{Cause::Unsupported, 0, "find the signal handlers of CPython"};
    SignalTable out;
    for (int signal = 1; signal < kSignals; ++signal) {
      const Object handler = entry(*table, signal);
      const bool is_default = objects_.integer(handler).has_value() || objects_.is_none(handler);
      if (!is_default) out.handlers.emplace_back(signal, handler);
    }
    out.wakeup_fd = read_wakeup(*table);
    read_dumps(out);
    return out;
  }

 private:
  Object entry(std::uint64_t table, int signal) const {
    return remote_.pointer(table + kEntry * static_cast<std::uint64_t>(signal) + 8);
  }

  bool is_table(std::uint64_t at) const {
    if (remote_.word(at + 8) != 0) return false;
    const Object by_default = entry(at, SIGKILL);
    if (by_default == 0 || by_default != entry(at, SIGSTOP)) return false;
    if (objects_.type_name(by_default) != "int" || objects_.integer(by_default) != 0) return false;
    for (int signal = 0; signal < kSignals; ++signal) {
      if (remote_.word(at + kEntry * static_cast<std::uint64_t>(signal)) > 1) return false;
      if (signal == 0) continue;
      const Object handler = entry(at, signal);
      if (handler == 0 || objects_.type_name(handler).empty()) return false;
      if (objects_.type_name(handler) == "int" && objects_.integer(handler).value_or(2) > 1)
        return false;
    }
    return true;
  }

  /// The writable data of the interpreter's image, .bss with it.
  std::vector<std::pair<std::uint64_t, std::uint64_t>> writable() const {
    const auto& maps = space_.maps();
    const linux::Mapping* own = linux::find_mapping(maps, RemoteAddr{runtime_.address});
    if (own != nullptr && own->ino == 0 && own != maps.data()) --own;
    std::vector<std::pair<std::uint64_t, std::uint64_t>> out;
    if (own == nullptr || own->ino == 0) return out;
    for (std::size_t i = 0; i < maps.size(); ++i) {
      const linux::Mapping& m = maps[i];
      const bool of_file = m.ino == own->ino && m.dev == own->dev;
      const bool bss = m.ino == 0 && m.path.empty() && !out.empty() && out.back().second == m.start;
      if (m.writable && !m.shared && (of_file || bss)) out.emplace_back(m.start, m.end);
    }
    return out;
  }

  // A forked or equal process has it as far from _PyRuntime.
  std::optional<std::uint64_t> find_handlers() const {
    thread_local std::uint64_t last_distance = 0;
    if (last_distance != 0 && is_table(runtime_.address + last_distance))
      return runtime_.address + last_distance;
    auto ranges = writable();
    // Zeros at first: in .bss, which begins in the last page of the file's part.
    if (ranges.size() > 1) {
      ranges.front().first = std::max(ranges.front().first, ranges.front().second - 4096);
      for (std::size_t i = 1; i < ranges.size(); ++i) ranges.front().second = ranges[i].second;
      ranges.resize(1);
    }
    if (runtime_.layout.minor >= 12)
      ranges = {{runtime_.address, runtime_.address + kRuntimeSearched}};
    std::optional<std::uint64_t> found;
    std::size_t budget = kMaxSearched;
    for (const auto& [start, end] : ranges) {
      const std::size_t size = std::min<std::size_t>(end - start, budget);
      budget -= size;
      const auto bytes = remote_.bytes(start, size);
      const auto word = [&](std::size_t at) {
        std::uint64_t value = 0;
        std::memcpy(&value, bytes.data() + at, sizeof value);
        return value;
      };
      for (std::size_t at = 0; at + kTableSize <= bytes.size(); at += 8) {
        const bool possible = word(at) <= 1 && word(at + 8) == 0 && word(at + kEntry) <= 1 &&
                              word(at + kEntry * SIGKILL + 8) != 0 &&
                              word(at + kEntry * SIGKILL + 8) == word(at + kEntry * SIGSTOP + 8);
        if (!possible || !is_table(start + at)) continue;
        if (found) return std::nullopt;
        found = start + at;
      }
    }
    if (found) last_distance = *found - runtime_.address;
    return found;
  }

  struct Operand {
    std::uint8_t opcode = 0;  ///< the byte before that which says "relative to rip"
    std::uint64_t target = 0;
  };
  /// Words that the instructions of a function of a module refer to, relative to rip, in the
  /// image's writable data. Without decoding them: what comes of it is checked by its content.
  std::vector<Operand> operands_of(const char* module, const char* function,
                                   std::size_t length) const {
    const Object object = module_global(objects_, modules_, module, function);
    std::vector<Operand> out;
    if (objects_.type_name(object) != "builtin_function_or_method") return out;
    const std::uint64_t definition = remote_.pointer(object + 16);
    const std::uint64_t start = definition == 0 ? 0 : remote_.word(definition + 8);
    const linux::Mapping* text = linux::find_mapping(space_.maps(), RemoteAddr{start});
    if (text == nullptr || !text->executable) return out;
    const auto code = remote_.bytes(start, std::min<std::size_t>(length, text->end - start));
    const auto ranges = writable();
    for (std::size_t i = 1; i + 5 <= code.size(); ++i) {
      if ((code[i] & 0xc7) != 0x05) continue;  // ModRM: [rip + disp32]
      std::int32_t distance = 0;
      std::memcpy(&distance, code.data() + i + 1, sizeof distance);
      const std::uint64_t target =
          start + i + 5 + static_cast<std::uint64_t>(std::int64_t{distance});
      const bool is_data = std::ranges::any_of(
          ranges, [&](const auto& r) { return target >= r.first && target < r.second; });
      if (is_data) out.push_back({code[i - 1], target});
    }
    return out;
  }

  // {int fd; int warn_on_full_buffer}: set_wakeup_fd() stores both.
  Result<int> read_wakeup(std::uint64_t table) const {
    std::optional<std::uint64_t> found;
    if (runtime_.layout.minor >= 12) {
      found = table + kTableSize;
    } else {
      constexpr std::uint8_t kStore = 0x89;
      const auto operands = operands_of("_signal", "set_wakeup_fd", 1024);
      for (const Operand& a : operands) {
        if (a.opcode != kStore || a.target % 4 != 0) continue;
        const bool pair = std::ranges::any_of(operands, [&](const Operand& b) {
          return b.opcode == kStore && b.target == a.target + 4;
        });
        if (!pair) continue;
        if (found && *found != a.target) return Error{Cause::Unsupported, 0, "find wakeup_fd"};
        found = a.target;
      }
    }
    if (!found) return Error{Cause::Unsupported, 0, "find wakeup_fd"};
    const int fd = remote_.get<int>(*found);
    const auto warn = remote_.get<std::uint32_t>(*found + 4);
    if (fd < -1 || fd >= (1 << 24) || warn > 1) return Error{Cause::Malformed, 0, "read wakeup_fd"};
    return fd;
  }

  // Modules/faulthandler.c: an array of Py_NSIG {int enabled 0; PyObject *file 8; int fd 16;
  // int all_threads 20; int chain 24; struct sigaction previous 32; PyInterpreterState *interp
  // 184}, and from 3.15 on max_threads 192.
  void read_dumps(SignalTable& out) const {
    constexpr std::uint64_t kFd = 16, kChain = 24, kInterp = 184;
    const std::uint64_t size = runtime_.layout.minor >= 15 ? 200 : 192;
    std::vector<std::uint64_t> places;
    if (runtime_.layout.minor >= 12) {
      // 288 bytes before preconfig in 3.12, 336 in 3.13 and 3.14, 320 in 3.15.
      constexpr std::uint64_t kBefore = 512;
      const auto preconfig = find_preconfig(remote_, runtime_);
      for (std::uint64_t back = 8; preconfig && back <= kBefore; back += 8)
        places.push_back(*preconfig - back);
    } else {
      for (const Operand& o : operands_of("faulthandler", "unregister", 512)) {
        if (o.target % 8 == 0) places.push_back(o.target);
      }
    }
    for (const std::uint64_t place : places) {
      const std::uint64_t users = remote_.pointer(place);
      const auto bytes =
          users == 0 ? std::vector<std::uint8_t>() : remote_.bytes(users, kSignals * size);
      const auto get = [&]<class T>(std::uint64_t at, T) {
        T value{};
        std::memcpy(&value, bytes.data() + at, sizeof value);
        return value;
      };
      std::vector<SignalTable::Dump> dumps;
      bool fits = !bytes.empty();
      for (int signal = 1; fits && signal < kSignals; ++signal) {
        const std::uint64_t user = size * static_cast<std::uint64_t>(signal);
        const auto enabled = get(user, 0U);
        const int fd = get(user + kFd, 0);
        const auto chains = get(user + kChain, 0U);
        if (enabled == 0) continue;
        fits = enabled == 1 && fd >= 0 && fd < (1 << 24) && chains <= 1 &&
               get(user + kInterp, std::uint64_t{0}) == runtime_.interpreter;
        dumps.push_back({signal, fd, chains != 0});
      }
      if (fits && !dumps.empty()) {
        out.dumps = std::move(dumps);
        return;
      }
    }
  }

  const Objects& objects_;
  const Remote& remote_;
  const Runtime& runtime_;
  const linux::AddressSpace& space_;
  Object modules_;
};

}  // namespace

Result<SignalTable> read_signal_table(const Objects& objects, const Runtime& runtime,
                                      const linux::AddressSpace& space, Object modules) {
  return Finder(objects, runtime, space, modules).read();
}

}  // namespace ipcdoctor::runtime::cpython
