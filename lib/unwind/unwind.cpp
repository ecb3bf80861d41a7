#include "unwind/unwind.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "base/text.h"
#include "unwind/debug_info.h"
#include "unwind/frame_pointer.h"
#include "unwind/image.h"
#include "unwind/unwinder.h"

namespace ipcdoctor::unwind {

namespace {

/// Sources of the compiler, the system and of packages: inlined or instantiated, they are not the
/// user's lines. Rust's own library is built below "/rustc/HASH/", with its frames of std left
/// relative; an installed rust-src is below .../rustlib/src/rust (rustc's --remap-path-prefix), and
/// cargo keeps packages below $CARGO_HOME/registry/src.
bool is_system_source(std::string_view file) {
  constexpr std::string_view kBegins[] = {"/usr/include/",     "/usr/lib/",
                                          "/rustc/",           "library/std/src/",
                                          "library/core/src/", "library/alloc/src/"};
  constexpr std::string_view kHolds[] = {"/rustlib/src/rust/library/", "/registry/src/"};
  return std::ranges::any_of(kBegins, [&](auto begin) { return file.starts_with(begin); }) ||
         holds_any(file, kHolds);
}

}  // namespace

struct Images::Impl {
  ImageCache cache;
  Unwinder unwinder{cache};
  std::map<const Image*, std::unique_ptr<DebugInfo>> debug;
  std::set<const Image*> without_lines;
  std::vector<Error> failures;  ///< not told yet

  DebugInfo& debug_of(const Image& image, const linux::AddressSpace& space) {
    std::unique_ptr<DebugInfo>& info = debug[&image];
    if (info == nullptr) info = DebugInfo::open(image, space);
    return *info;
  }

  /// Those whose file's name begins so, until `is_found` is content.
  template <class IsFound>
  void for_each_module(const linux::AddressSpace& space, std::string_view prefix,
                       const IsFound& is_found) {
    for (const linux::Mapping& mapping : space.notable_maps()) {
      const std::string_view file =
          std::string_view(mapping.path).substr(mapping.path.rfind('/') + 1);
      if (mapping.ino == 0 || !file.starts_with(prefix)) continue;
      const auto place = cache.find(space, mapping);
      if (place && is_found(*place)) return;
    }
  }

  std::string function_of(Image& image, std::uint64_t address) {
    const auto* symbol = image.symbols().find_function(address);
    return symbol == nullptr ? "" : demangle(image.symbols().name_of(*symbol));
  }

  /// Appends the frame and before it what was inlined into it.
  void describe(const linux::AddressSpace& space, snapshot::Frame frame, std::uint64_t back,
                const linux::Confined::GoOn& go_on, std::vector<snapshot::Frame>& into) {
    const auto place = cache.find(space, frame.pc.value - back);
    if (!place || !frame.function.empty()) return into.push_back(std::move(frame));
    const std::uint64_t address = frame.pc.value - back - place->bias;
    frame.function = function_of(*place->image, address);
    // DWARF of a C library takes 100 ms to open, and nobody wants its lines
    if (place->image->is_system()) return into.push_back(std::move(frame));
    const auto found = debug_of(*place->image, space).frames_at(address, go_on);
    if (!found && without_lines.insert(place->image).second) failures.push_back(found.error());
    if (!found || found->empty()) return into.push_back(std::move(frame));
    const std::vector<SourceFrame>& sources = *found;
    for (std::size_t i = 0; i < sources.size(); ++i) {
      snapshot::Frame named = frame;
      const bool last = i + 1 == sources.size();
      named.kind = last ? snapshot::FrameKind::Native : snapshot::FrameKind::Inlined;
      // the symbol has the full name of the real function; DWARF of C++ sometimes only its last
      // part
      if (!last || named.function.empty()) named.function = sources[i].function;
      named.file = sources[i].file;
      named.line = sources[i].line;
      named.user_code = frame.user_code && !is_system_source(named.file);
      into.push_back(std::move(named));
    }
  }
};

Images::Images() : impl_(std::make_unique<Impl>()) {}
Images::~Images() = default;
Images::Images(Images&&) noexcept = default;

namespace {

/// @param place  that of the frame before, which most often is the same.
snapshot::Frame frame_of(ImageCache& cache, const linux::AddressSpace& space, const RawFrame& raw,
                         Place& place) {
  snapshot::Frame frame;
  frame.pc = RemoteAddr{raw.pc};
  frame.guessed = raw.guessed;
  if (raw.signal) frame.function = "<signal handler called>";
  if (raw.pc < place.begin || raw.pc >= place.end) {
    const auto found = cache.find(space, raw.pc);
    place = found ? *found : Place{};
  }
  if (place.image == nullptr) return frame;
  frame.module = place.image->name();
  frame.offset = raw.pc - place.bias;
  frame.user_code = !place.image->is_system();
  return frame;
}

/// The image whose data holds the address: its mapping, or the anonymous memory (.bss) right behind
/// it.
Result<Place> find_data(ImageCache& cache, const linux::AddressSpace& space, RemoteAddr address) {
  const linux::Mapping* mapping = linux::find_mapping(space.maps(), address);
  if (mapping == nullptr)
    return Error{Cause::Unsupported, 0, "find a variable: nothing is mapped there"};
  const linux::Mapping* first = space.maps().data();
  while (mapping > first && mapping->ino == 0 && (mapping - 1)->end == mapping->start) --mapping;
  return cache.find(space, *mapping);
}

}  // namespace

Result<std::vector<snapshot::Frame>> Images::unwind(const linux::AddressSpace& space,
                                                    const Registers& registers, std::size_t limit) {
  if (registers.pc.value == 0) return Error{Cause::Unsupported, 0, "unwind: no program counter"};
  const RawStack stack = impl_->unwinder.unwind(space, registers, limit);
  std::vector<snapshot::Frame> frames;
  frames.reserve(stack.frames.size());
  Place place;
  for (const RawFrame& raw : stack.frames)
    frames.push_back(frame_of(impl_->cache, space, raw, place));
  return frames;
}

RawStack Images::unwind_raw(const linux::AddressSpace& space, const Registers& registers,
                            std::size_t limit) {
  return impl_->unwinder.unwind(space, registers, limit);
}

ImageCache& Images::cache() {
  return impl_->cache;
}

Result<std::string> Images::function_at(const linux::AddressSpace& space, RemoteAddr pc) {
  const auto place = impl_->cache.find(space, pc.value);
  if (!place) return place.error();
  const SymbolTable& symbols = place->image->symbols();
  const auto* symbol = symbols.find_function(pc.value - place->bias);
  if (symbol == nullptr)
    return Error{Cause::Unsupported, 0, "find a function: no symbol covers it"};
  return demangle(symbols.name_of(*symbol));
}

Result<std::string> Images::function_called_at(const linux::AddressSpace& space,
                                               RemoteAddr return_address) {
  const auto callee = find_callee(space, impl_->cache, return_address.value);
  if (!callee) return Error{Cause::Unsupported, 0, "find a function: not called by name"};
  return function_at(space, RemoteAddr{*callee});
}

Result<Images::Variable> Images::variable_at(const linux::AddressSpace& space, RemoteAddr address) {
  const auto place = find_data(impl_->cache, space, address);
  if (!place) return place.error();
  const SymbolTable& symbols = place->image->symbols();
  const std::uint64_t at = address.value - place->bias;
  const auto* symbol = symbols.find_variable(at);
  if (symbol == nullptr)
    return Error{Cause::Unsupported, 0, "find a variable: no symbol covers it"};
  return Variable{demangle(symbols.name_of(*symbol)), place->image->name(), at - symbol->address};
}

Result<RemoteAddr> Images::address_of(const linux::AddressSpace& space,
                                      std::string_view module_prefix, std::string_view symbol) {
  std::optional<RemoteAddr> found;
  impl_->for_each_module(space, module_prefix, [&](const Place& place) {
    if (const auto address = place.image->symbols().address_of(symbol))
      found = RemoteAddr{*address + place.bias};
    return found.has_value();
  });
  if (found) return *found;
  return Error{Cause::Unsupported, 0, "find symbol " + std::string(symbol)};
}

std::map<std::string, RemoteAddr> Images::variables_named(const linux::AddressSpace& space,
                                                          std::string_view module_prefix,
                                                          std::string_view prefix) {
  std::map<std::string, RemoteAddr> found;
  impl_->for_each_module(space, module_prefix, [&](const Place& place) {
    const SymbolTable& symbols = place.image->symbols();
    for (const SymbolTable::Symbol& symbol : symbols.variables_named(prefix))
      found.emplace(symbols.name_of(symbol), RemoteAddr{symbol.address + place.bias});
    return !found.empty();
  });
  return found;
}

std::vector<Error> Images::describe(const linux::AddressSpace& space,
                                    std::vector<snapshot::Frame>& frames,
                                    const std::function<bool()>& go_on) {
  std::vector<snapshot::Frame> described;
  described.reserve(frames.size());
  for (std::size_t i = 0; i < frames.size(); ++i) {
    snapshot::Frame& frame = frames[i];
    const bool done = frame.kind != snapshot::FrameKind::Native || !frame.function.empty();
    // a return address may be the first byte of the next line or function: look at the call itself
    if (done) {
      described.push_back(std::move(frame));
    } else {
      impl_->describe(space, std::move(frame), i == 0 ? 0 : 1, go_on, described);
    }
  }
  frames = std::move(described);
  return std::exchange(impl_->failures, {});
}

}  // namespace ipcdoctor::unwind
