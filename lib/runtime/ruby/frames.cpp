#include "runtime/ruby/frames.h"

#include <algorithm>
#include <array>
#include <bit>
#include <string_view>

#include "base/text.h"

namespace ipcdoctor::runtime::ruby {
namespace {

constexpr std::size_t kMaxFrames = 512;
constexpr std::uint64_t kWord = 8;
constexpr int kMaxLine = 10'000'000;

/// Which of the sorted positions, where a line begins, is the last that is not behind `position`,
/// counted from 1; 0: none. Succinct table of iseq.c, succ_index_lookup(): for the first 54 places
/// the answers, for the others a bit for each place, with sums for each 512 and each 64 of them.
std::uint64_t rank_of(const Remote& remote, std::uint64_t table, std::uint64_t position) {
  constexpr std::uint64_t kImmediate = 54, kInWord = 9, kBlock = 512;
  constexpr std::uint64_t kBlocks = kImmediate / kInWord * kWord, kBlockSize = 16 + kBlock / 8;
  if (position < kImmediate)
    return remote.word(table + position / kInWord * kWord) >> position % kInWord * 7 & 0x7f;
  position -= kImmediate;
  const std::uint64_t block = table + kBlocks + position / kBlock * kBlockSize;
  const std::uint64_t bit = position % kBlock, small = bit / 64;
  const std::uint64_t sums = remote.word(block + 8);
  const std::uint64_t before = small == 0 ? 0 : sums >> (small - 1) * 9 & 0x1ff;
  const std::uint64_t bits = remote.word(block + 16 + small * kWord) << (63 - bit % 64);
  return remote.get<std::uint32_t>(block) + before +
         static_cast<std::uint64_t>(std::popcount(bits));
}

/// Of the instruction before pc, as pc is at the next one; vm_backtrace.c, calc_pos().
int line_of(const Vm& vm, std::uint64_t body, std::uint64_t pc) {
  const Remote& remote = vm.remote();
  const std::uint64_t code = remote.pointer(body + 8);  // iseq_encoded
  const std::uint64_t size = remote.get<std::uint32_t>(body + 4);
  if (code == 0 || pc < code || (pc - code) / kWord > size) return 0;
  const std::uint64_t info = body + vm.layout().lines;
  const std::uint64_t entries = remote.pointer(info);
  const std::uint64_t count = remote.get<std::uint32_t>(info + 16);
  const std::uint64_t table = remote.pointer(info + 24);
  if (entries == 0 || count == 0) return 0;
  std::uint64_t rank = 1;
  if (count > 1) {
    const std::uint64_t position = (pc - code) / kWord;
    if (table == 0) return 0;
    rank = rank_of(remote, table, position - std::min<std::uint64_t>(position, 1));
  }
  if (rank == 0 || rank > count) return 0;
  const int line = remote.get<std::int32_t>(entries + (rank - 1) * vm.layout().line_size);
  return line > 0 && line < kMaxLine ? line : 0;
}

/// The name of the method in C: of the method entry that its environment begins with.
std::string name_of_method(const Vm& vm, std::uint64_t environment) {
  constexpr std::uint64_t kMethodEntry = 6;  // imemo_ment
  const std::uint64_t entry = vm.remote().pointer(environment - 2 * kWord);
  if (entry == 0 || (vm.remote().word(entry) >> 12 & 0xf) != kMethodEntry) return "";
  return vm.name(vm.remote().word(entry + 24));  // called_id
}

/// Ruby's own library, and gems.
bool is_of_library(std::string_view file) {
  static constexpr std::array<std::string_view, 4> kFolders = {
      "/lib/ruby/", "/gems/", "/share/ruby/", "/rubygems-integration/"};
  return file.starts_with('<') /* "<internal:kernel>" */ || holds_any(file, kFolders);
}

}  // namespace

std::vector<Frame> read_frames(const Vm& vm, std::uint64_t context) {
  constexpr std::uint64_t kKinds = 0x7fff0001, kOfC = 0x55550001;  // VM_FRAME_MAGIC_...
  const Remote& remote = vm.remote();
  std::vector<Frame> frames;
  const std::uint64_t stack = remote.pointer(context);
  const std::uint64_t size = remote.word(context + 8);  // in words
  if (stack == 0 || size > (std::uint64_t{1} << 27)) return frames;
  const std::uint64_t end = stack + size * kWord;
  std::uint64_t at = remote.pointer(context + 16);
  for (; at >= stack && at < end && frames.size() < kMaxFrames; at += vm.layout().frame_size) {
    const std::uint64_t pc = remote.word(at), iseq = remote.word(at + 16);
    const std::uint64_t environment = remote.pointer(at + 32);
    Frame frame;
    frame.self = remote.word(at + 24);
    frame.is_c = iseq == 0;
    if (frame.is_c) {
      if (environment == 0 || (remote.word(environment) & kKinds) != kOfC) continue;
      frame.function = name_of_method(vm, environment);
    } else {
      const std::uint64_t body = vm.is_code(iseq) ? vm.body_of(iseq) : 0;
      if (body == 0 || pc == 0) continue;                  // or the one before the first
      frame.function = vm.string(remote.word(body + 80));  // location.label
      frame.file = vm.file_of(body);
      frame.line = line_of(vm, body, pc);
      if (frame.file.empty() || frame.line == 0) continue;
    }
    frames.push_back(std::move(frame));
  }
  return frames;
}

std::vector<snapshot::Frame> told(const std::vector<Frame>& frames) {
  std::vector<snapshot::Frame> out;
  for (std::size_t i = 0; i < frames.size(); ++i) {
    const Frame& frame = frames[i];
    const auto caller = std::find_if(frames.begin() + static_cast<std::ptrdiff_t>(i), frames.end(),
                                     [](const Frame& f) { return !f.is_c; });
    if (frame.is_c && frame.function.empty()) continue;
    snapshot::Frame& one = out.emplace_back();
    one.module = "ruby";
    one.function = escape_untrusted(frame.function);
    if (caller == frames.end()) continue;
    one.file = escape_untrusted(caller->file);
    one.line = caller->line;
    one.user_code = !frame.is_c && !caller->file.empty() && !is_of_library(caller->file);
  }
  return out;
}

}  // namespace ipcdoctor::runtime::ruby
