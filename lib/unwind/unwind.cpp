#include "unwind/unwind.h"

#include <map>

#include "base/text.h"
#include "unwind/debug_info.h"
#include "unwind/frame_pointer.h"
#include "unwind/image.h"
#include "unwind/unwinder.h"

namespace ipcdoctor::unwind {

namespace {

/// Headers of the compiler and the system: inlined or instantiated, they are not the user's lines.
bool is_system_source(std::string_view file) {
  return file.starts_with("/usr/include/") || file.starts_with("/usr/lib/");
}

}  // namespace

struct Images::Impl {
  ImageCache cache;
  Unwinder unwinder{cache};
  std::map<const Image*, std::unique_ptr<DebugInfo>> debug;

  std::map<const Image*, SymbolTable> separate;

  DebugInfo& debug_of(const Image& image, const linux::AddressSpace& space) {
    std::unique_ptr<DebugInfo>& info = debug[&image];
    if (info == nullptr) info = DebugInfo::open(image, space);
    return *info;
  }

  std::string function_of(Image& image, std::uint64_t address) {
    const auto* symbol = image.symbols().find_function(address);
    return symbol == nullptr ? "" : demangle(image.symbols().name_of(*symbol));
  }

  /// The name of an internal function of a system library, where its debug file is installed.
  std::string separate_function(const Image& image, const linux::AddressSpace& space, std::uint64_t address) {
    auto known = separate.find(&image);
    if (known == separate.end()) known = separate.emplace(&image, read_separate_symbols(image, space)).first;
    const auto* symbol = known->second.find_function(address);
    return symbol == nullptr ? "" : demangle(known->second.name_of(*symbol));
  }

  /// Appends the frame and before it what was inlined into it.
  void describe(const linux::AddressSpace& space, snapshot::Frame frame, std::uint64_t back,
                std::vector<snapshot::Frame>& into) {
    const auto place = cache.find(space, frame.pc.value - back);
    if (!place) return into.push_back(std::move(frame));
    const std::uint64_t address = frame.pc.value - back - place->bias;
    frame.function = function_of(*place->image, address);
    std::vector<SourceFrame> sources;
    if (!place->image->is_system()) {
      sources = debug_of(*place->image, space).frames_at(address);
    } else if (frame.function.empty()) {
      // DWARF of a C library takes 100 ms to open; nobody wants its lines
      frame.function = separate_function(*place->image, space, address);
    }
    if (sources.empty()) return into.push_back(std::move(frame));
    for (std::size_t i = 0; i < sources.size(); ++i) {
      snapshot::Frame named = frame;
      const bool last = i + 1 == sources.size();
      named.kind = last ? snapshot::FrameKind::Native : snapshot::FrameKind::Inlined;
      // the symbol has the full name of the real function; DWARF of C++ sometimes only its last part
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

snapshot::Frame frame_of(ImageCache& cache, const linux::AddressSpace& space, std::uint64_t pc) {
  snapshot::Frame frame;
  frame.pc = RemoteAddr{pc};
  const auto place = cache.find(space, pc);
  if (!place) return frame;
  frame.module = place->image->name();
  frame.offset = pc - place->bias;
  frame.user_code = !place->image->is_system();
  return frame;
}

/// The image whose data holds the address: its mapping, or the anonymous memory (.bss) right behind it.
Result<Place> find_data(ImageCache& cache, const linux::AddressSpace& space, RemoteAddr address) {
  const linux::Mapping* mapping = linux::find_mapping(space.maps, address);
  if (mapping == nullptr) return Error{Cause::Unsupported, 0, "find a variable: nothing is mapped there"};
  const linux::Mapping* first = space.maps.data();
  while (mapping > first && mapping->ino == 0 && (mapping - 1)->end == mapping->start) --mapping;
  return cache.find(space, *mapping);
}

}  // namespace

Result<std::vector<snapshot::Frame>> Images::unwind(const linux::AddressSpace& space, const Registers& registers,
                                                    std::size_t limit) {
  if (registers.pc.value == 0) return Error{Cause::Unsupported, 0, "unwind: no program counter"};
  const RawStack stack = impl_->unwinder.unwind(space, registers, limit);
  std::vector<snapshot::Frame> frames;
  frames.reserve(stack.frames.size());
  for (const RawFrame& raw : stack.frames) {
    frames.push_back(frame_of(impl_->cache, space, raw.pc));
    frames.back().guessed = raw.guessed;
  }
  return frames;
}

Result<std::string> Images::function_at(const linux::AddressSpace& space, RemoteAddr pc) {
  const auto place = impl_->cache.find(space, pc.value);
  if (!place) return place.error();
  const SymbolTable& symbols = place->image->symbols();
  const auto* symbol = symbols.find_function(pc.value - place->bias);
  if (symbol == nullptr) return Error{Cause::Unsupported, 0, "find a function: no symbol covers it"};
  return demangle(symbols.name_of(*symbol));
}

Result<std::string> Images::function_called_at(const linux::AddressSpace& space, RemoteAddr return_address) {
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
  if (symbol == nullptr) return Error{Cause::Unsupported, 0, "find a variable: no symbol covers it"};
  return Variable{demangle(symbols.name_of(*symbol)), place->image->name(), at - symbol->address};
}

Result<RemoteAddr> Images::address_of(const linux::AddressSpace& space, std::string_view module_prefix,
                                      std::string_view symbol) {
  for (const linux::Mapping& mapping : space.maps) {
    const std::string_view file = std::string_view(mapping.path).substr(mapping.path.rfind('/') + 1);
    if (mapping.ino == 0 || !file.starts_with(module_prefix)) continue;
    const auto place = impl_->cache.find(space, mapping);
    if (!place) continue;
    const auto address = place->image->symbols().address_of(symbol);
    if (address) return RemoteAddr{*address + place->bias};
  }
  return Error{Cause::Unsupported, 0, "find symbol " + std::string(symbol)};
}

void Images::describe(const linux::AddressSpace& space, std::vector<snapshot::Frame>& frames) {
  std::vector<snapshot::Frame> described;
  described.reserve(frames.size());
  for (std::size_t i = 0; i < frames.size(); ++i) {
    snapshot::Frame& frame = frames[i];
    const bool done = frame.kind != snapshot::FrameKind::Native || !frame.function.empty();
    // a return address may be the first byte of the next line or function: look at the call itself
    if (done) {
      described.push_back(std::move(frame));
    } else {
      impl_->describe(space, std::move(frame), i == 0 ? 0 : 1, described);
    }
  }
  frames = std::move(described);
}

}  // namespace ipcdoctor::unwind
