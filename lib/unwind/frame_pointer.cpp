#include "unwind/frame_pointer.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace ipcdoctor::unwind {
namespace {

constexpr std::uint64_t kMaxFrame = 256
                                    << 10;  ///< a function with larger arrays is not looked through
constexpr std::uint64_t kMaxBridge =
    4 << 10;  ///< functions without unwind information have small frames
constexpr std::size_t kMaxCandidates = 16;
constexpr std::uint64_t kPage = 4096;

/// The words of the stack from sp on, page by page.
class StackWords {
 public:
  StackWords(const linux::AddressSpace& space, std::uint64_t sp, std::uint64_t limit)
      : space_(space) {
    const linux::Mapping* stack = linux::find_mapping(space.maps(), RemoteAddr{sp});
    if (stack == nullptr || !stack->writable || sp % 8 != 0) return;
    begin_ = sp;
    end_ = std::min(stack->end, sp + limit) & ~std::uint64_t{7};
    stack_end_ = stack->end;
  }
  std::uint64_t begin() const { return begin_; }
  std::uint64_t end() const { return end_; }
  std::uint64_t stack_end() const { return stack_end_; }

  std::optional<std::uint64_t> at(std::uint64_t address) {
    const std::uint64_t page = address & ~(kPage - 1);
    if (page != page_) {
      page_ = page;
      good_ = static_cast<bool>(
          space_.memory.read(RemoteAddr{page}, std::as_writable_bytes(std::span(words_))));
    }
    if (!good_) return std::nullopt;
    return words_[(address - page) / 8];
  }

 private:
  const linux::AddressSpace& space_;
  std::uint64_t begin_ = 0, end_ = 0, stack_end_ = 0, page_ = 1;
  bool good_ = false;
  std::array<std::uint64_t, kPage / 8> words_{};
};

bool is_code(const linux::AddressSpace& space, std::uint64_t address) {
  const linux::Mapping* mapping = linux::find_mapping(space.maps(), RemoteAddr{address});
  return mapping != nullptr && mapping->executable &&
         (mapping->ino != 0 || mapping->path == "[vdso]");
}

std::optional<CallSite> read_call(const linux::AddressSpace& space, std::uint64_t return_address) {
  if (return_address < kPage || !is_code(space, return_address)) return std::nullopt;
  std::array<std::uint8_t, 7> before{};
  if (!space.memory.read(RemoteAddr{return_address - before.size()},
                         std::as_writable_bytes(std::span(before)))) {
    return std::nullopt;
  }
  return parse_call(before, return_address);
}

/// Does the address lie in a table of jumps to other modules?
bool is_plt(const linux::AddressSpace& space, ImageCache& images, std::uint64_t address) {
  const auto place = images.find(space, address);
  if (!place) return false;
  return std::ranges::any_of(place->image->elf().sections(), [&](const ElfFile::Section& s) {
    const std::uint64_t offset = address - place->bias - s.address;
    return s.name.starts_with(".plt") && offset < s.size;
  });
}

}  // namespace

std::optional<CallSite> parse_call(std::span<const std::uint8_t> before,
                                   std::uint64_t return_address) {
  const auto at = [&](std::size_t back) -> unsigned {
    return back <= before.size() ? before[before.size() - back] : 0U;
  };
  if (at(5) == 0xe8) {
    std::int32_t distance = 0;
    std::memcpy(&distance, before.data() + before.size() - 4, sizeof distance);
    return CallSite{return_address + static_cast<std::uint64_t>(std::int64_t{distance})};
  }
  // ff /2: call through a register or memory; the length follows from mod and rm
  for (std::size_t length = 2; length <= before.size(); ++length) {
    if (at(length) != 0xff) continue;
    const unsigned modrm = at(length - 1), mod = modrm >> 6, rm = modrm & 7;
    if (((modrm >> 3) & 7) != 2) continue;
    const std::size_t sib = mod != 3 && rm == 4 ? 1 : 0;
    const bool no_base = mod == 0 && (rm == 5 || (sib == 1 && (at(length - 2) & 7) == 5));
    const std::size_t displacement = mod == 1 ? 1 : mod == 2 || no_base ? 4 : 0;
    if (2 + sib + displacement == length) return CallSite{};
  }
  return std::nullopt;
}

namespace {

/// The pointer that "ff 25 disp32" (jmp) or "ff 15 disp32" (call) at `address` goes through.
std::optional<std::uint64_t> read_slot(const linux::AddressSpace& space, std::uint64_t address,
                                       std::uint8_t modrm) {
  std::array<std::uint8_t, 6> code{};
  if (!space.memory.read(RemoteAddr{address}, std::as_writable_bytes(std::span(code))))
    return std::nullopt;
  if (code[0] != 0xff || code[1] != modrm) return std::nullopt;
  std::int32_t distance = 0;
  std::memcpy(&distance, code.data() + 2, sizeof distance);
  const auto slot = space.memory.read_u64(
      RemoteAddr{address + 6 + static_cast<std::uint64_t>(std::int64_t{distance})});
  return slot && is_code(space, *slot) ? std::optional(*slot) : std::nullopt;
}

}  // namespace

std::optional<std::uint64_t> find_callee(const linux::AddressSpace& space, ImageCache& images,
                                         std::uint64_t return_address) {
  const auto call = read_call(space, return_address);
  if (!call) return std::nullopt;
  if (!call->target) return read_slot(space, return_address - 6, 0x15);
  if (!is_plt(space, images, *call->target)) return call->target;
  // [endbr64] [bnd] jmp *slot(%rip)
  for (const std::uint64_t skip : {0ULL, 1ULL, 4ULL, 5ULL}) {
    const auto slot = read_slot(space, *call->target + skip, 0x25);
    if (slot) return slot;
  }
  return std::nullopt;
}

std::vector<FramePointer> find_frame_pointers(const linux::AddressSpace& space, ImageCache& images,
                                              std::uint64_t sp, std::uint64_t function) {
  std::vector<FramePointer> direct, other;
  StackWords stack(space, sp, kMaxFrame);
  for (std::uint64_t a = stack.begin(); a + 16 <= stack.end(); a += 8) {
    const auto return_address = stack.at(a + 8);
    if (!return_address) break;
    const auto call = read_call(space, *return_address);
    if (!call) continue;
    const auto saved = stack.at(a);
    if (!saved) break;
    if (call->target && *call->target == function) {
      direct.push_back({a, true});
    } else if (!call->target || is_plt(space, images, *call->target)) {
      // weaker: then the saved value must look like the next frame pointer, or like none at all
      const bool frame = *saved > a && *saved < stack.stack_end() && *saved % 8 == 0;
      if ((frame || *saved <= 1) && other.size() < kMaxCandidates) other.push_back({a, false});
    }
    if (direct.size() >= kMaxCandidates) break;
  }
  direct.insert(direct.end(), other.begin(), other.end());
  return direct;
}

std::optional<Caller> find_caller(const linux::AddressSpace& space, std::uint64_t sp,
                                  std::uint64_t rbp) {
  if (rbp < sp || rbp - sp > kMaxFrame || rbp % 8 != 0) return std::nullopt;
  const auto saved = space.memory.read_u64(RemoteAddr{rbp});
  const auto pc = space.memory.read_u64(RemoteAddr{rbp + 8});
  if (!saved || !pc || !read_call(space, *pc)) return std::nullopt;
  return Caller{*pc, rbp + 16, *saved};
}

std::optional<ReturnAddress> find_return_address(const linux::AddressSpace& space,
                                                 ImageCache& images, std::uint64_t sp) {
  StackWords stack(space, sp, kMaxBridge);
  for (std::uint64_t a = stack.begin(); a < stack.end(); a += 8) {
    const auto word = stack.at(a);
    if (!word) break;
    const auto call = read_call(space, *word);
    if (!call) continue;
    const auto place = images.find(space, *word);
    if (!place || place->image->is_system() || place->image->unwind_table() == nullptr) continue;
    if (!call->target || is_plt(space, images, *call->target)) return ReturnAddress{a, *word};
  }
  return std::nullopt;
}

}  // namespace ipcdoctor::unwind
