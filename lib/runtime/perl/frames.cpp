#include "runtime/perl/frames.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/text.h"
#include "runtime/remote.h"

namespace ipcdoctor::runtime::perl {
namespace {

constexpr std::size_t kMaxFrames = 256;
constexpr std::size_t kMaxContexts = 100'000;
constexpr std::size_t kMaxText = 4096;
constexpr std::uint32_t kMaxLine = 10'000'000;

// Of struct cop, stackinfo and context.
constexpr std::uint64_t kLine = 36, kFile = 48;
constexpr std::uint64_t kContexts = 8, kPrevious = 16, kTop = 32, kMost = 36;
constexpr std::uint64_t kContextSize = 104, kOldCop = 16, kSub = 72;
constexpr unsigned kTypes = 0xf, kIsPlainLoop = 8, kIsSub = 9, kIsFormat = 10;
// Of struct context, and of struct loop: op_nextop, op_lastop.
constexpr std::uint64_t kLoop = 48, kNextOp = 64, kLastOp = 72;

/// Where an interpreter is: PL_curcop and PL_curstackinfo.
struct State {
  std::uint64_t cop = 0, stack = 0;
  bool threaded = true;  ///< built for threads: a file is its name, else a glob
};

class Reader {
 public:
  explicit Reader(const linux::AddressSpace& space) : remote_(space.memory) {}

  /// Of the members of struct interpreter their places: 5.32, 5.36 to 5.42.
  std::optional<State> state_of(std::uint64_t interpreter) const {
    for (const std::uint64_t cop_at : {208, 224}) {
      const State state{remote_.pointer(interpreter + cop_at),
                        remote_.pointer(interpreter + cop_at + 16)};
      if (is_state(state)) return state;
    }
    return std::nullopt;
  }

  bool is_state(const State& state) const {
    if (state.cop == 0 || state.stack == 0) return false;
    const int top = remote_.get<int>(state.stack + kTop),
              most = remote_.get<int>(state.stack + kMost);
    const bool fits = top >= -1 && top <= most && most < (1 << 24) &&
                      (top < 0 || remote_.pointer(state.stack + kContexts) != 0);
    return fits && remote_.get<std::uint32_t>(state.cop + kLine) < kMaxLine &&
           !file_of(state, state.cop).empty();
  }

  std::vector<snapshot::Frame> frames(const State& state) const {
    std::vector<snapshot::Frame> found;
    std::uint64_t cop = state.cop;
    each_context(state, [&](std::uint64_t context) {
      if (found.size() == kMaxFrames) return false;
      const unsigned type = remote_.get<std::uint8_t>(context) & kTypes;
      if (type != kIsSub && type != kIsFormat) return true;
      add(found, state, cop, name_of(remote_.pointer(context + kSub)));
      cop = remote_.pointer(context + kOldCop);
      return true;
    });
    if (found.size() < kMaxFrames) add(found, state, cop, "main");
    return found;
  }

  /// A bare block is a loop too, of which `next` and `last` lead to the same place.
  bool is_in_loop(const State& state) const {
    bool in_loop = false;
    each_context(state, [&](std::uint64_t context) {
      const std::uint64_t loop = remote_.pointer(context + kLoop);
      in_loop = (remote_.get<std::uint8_t>(context) & kTypes) == kIsPlainLoop && loop != 0 &&
                remote_.pointer(loop + kLastOp) != 0 &&
                remote_.pointer(loop + kNextOp) != remote_.pointer(loop + kLastOp);
      return !in_loop;
    });
    return in_loop;
  }

 private:
  /// The blocks that it is in, innermost first. @param go_on  false: that is enough
  template <class Visit>
  void each_context(const State& state, const Visit& go_on) const {
    std::size_t contexts = 0;
    std::uint64_t stack = state.stack;
    for (; stack != 0 && contexts < kMaxContexts; stack = remote_.pointer(stack + kPrevious)) {
      ++contexts;
      const std::uint64_t first = remote_.pointer(stack + kContexts);
      for (int i = remote_.get<int>(stack + kTop); i >= 0 && first != 0; --i) {
        if (++contexts > kMaxContexts) return;
        if (!go_on(first + static_cast<std::uint64_t>(i) * kContextSize)) return;
      }
    }
  }

  std::string file_of(const State& state, std::uint64_t cop) const {
    std::uint64_t text = remote_.pointer(cop + kFile);
    if (!state.threaded) {
      // GvSV of the glob: GV head, its GP, the scalar, its text
      const std::uint64_t scalar = remote_.pointer(remote_.pointer(text + 16));
      text = text == 0 || scalar == 0 ? 0 : remote_.word(scalar + 16);
    } else if (text == 0) {
      text = remote_.word(cop + kFile);  // strings are not aligned
    }
    return text < 4096 ? "" : remote_.text(text, kMaxText);
  }

  /// CvNAME_HEK, or that of its glob.
  std::string name_of(std::uint64_t sub) const {
    constexpr std::uint32_t kNamed = 0x8000;
    const std::uint64_t body = remote_.pointer(sub);
    if (sub == 0 || body == 0) return "";
    std::uint64_t key = remote_.pointer(body + 56);
    if ((remote_.get<std::uint32_t>(body + 92) & kNamed) == 0) {
      const std::uint64_t glob = remote_.pointer(key);
      key = key == 0 || glob == 0 ? 0 : remote_.pointer(glob + 32);
    }
    const auto length = remote_.get<std::int32_t>(key + 4);
    return key == 0 || length <= 0 || length > 256
               ? ""
               : remote_.text(key + 8, static_cast<std::size_t>(length));
  }

  static bool is_of_library(std::string_view file) {
    static constexpr std::array<std::string_view, 5> kFolders = {
        "/share/perl/", "/share/perl5/", "/lib/perl5/", "/perl-base/", "-gnu/perl"};
    return holds_any(file, kFolders);
  }

  void add(std::vector<snapshot::Frame>& found, const State& state, std::uint64_t cop,
           const std::string& name) const {
    if (cop == 0) return;
    const std::string file = file_of(state, cop);
    const auto line = remote_.get<std::uint32_t>(cop + kLine);
    snapshot::Frame& frame = found.emplace_back();
    frame.module = "perl";
    frame.function = name.empty() ? "a subroutine" : escape_untrusted(name);
    frame.file = escape_untrusted(file);
    frame.line = line < kMaxLine ? static_cast<int>(line) : 0;
    frame.user_code = frame.line != 0 && !file.empty() && !is_of_library(file);
  }

  Remote remote_;
};

/// Where the interpreter of the main thread is.
Result<State> find_state(const Reader& reader, const linux::AddressSpace& space,
                         unwind::Images& images) {
  const auto find = [&](const char* symbol) {
    const auto at = images.address_of(space, "libperl", symbol);
    return at ? at : images.address_of(space, "perl", symbol);
  };
  const auto word = [&](const Result<RemoteAddr>& at) {
    return at ? space.memory.read_u64(*at).value_or(0) : 0;
  };
  const Error unknown{Cause::Malformed, 0, "read the state of a Perl"};
  if (const auto cop = find("PL_curcop"); cop) {
    const State state{word(cop), word(find("PL_curstackinfo")), false};
    if (!reader.is_state(state)) return unknown;
    return state;
  }
  const auto current = find("PL_curinterp");
  if (!current) return Error{Cause::Unsupported, 0, "find a Perl"};
  const std::uint64_t interpreter = word(current);
  const auto state = interpreter == 0 ? std::nullopt : reader.state_of(interpreter);
  if (!state) return unknown;
  return *state;
}

}  // namespace

Result<std::vector<snapshot::Frame>> read_frames(const linux::AddressSpace& space,
                                                 unwind::Images& images) {
  const Reader reader(space);
  const auto state = find_state(reader, space, images);
  if (!state) return state.error();
  return reader.frames(*state);
}

bool is_in_loop(const linux::AddressSpace& space, unwind::Images& images) {
  const Reader reader(space);
  const auto state = find_state(reader, space, images);
  return state && reader.is_in_loop(*state);
}

Result<std::vector<Told>> read(const Target& target) {
  const Reader reader(target.space);
  const auto state = find_state(reader, target.space, target.images);
  if (!state) return state.error();
  std::vector<Told> told{of_main_thread(target, reader.frames(*state))};
  told.front().comes_back = reader.is_in_loop(*state);
  return told;
}

}  // namespace ipcdoctor::runtime::perl
