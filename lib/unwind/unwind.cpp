#include "unwind/unwind.h"

#include <algorithm>

#include "base/text.h"
#include "unwind/image.h"
#include "unwind/unwinder.h"

namespace ipcdoctor::unwind {

struct Images::Impl {
  ImageCache cache;
  Unwinder unwinder{cache};
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
  for (const RawFrame& raw : stack.frames) frames.push_back(frame_of(impl_->cache, space, raw.pc));
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
  for (std::size_t i = 0; i < frames.size(); ++i) {
    if (!frames[i].function.empty() || frames[i].kind != snapshot::FrameKind::Native) continue;
    // a return address may be the first byte of the next function: look at the call itself
    const std::uint64_t pc = frames[i].pc.value - (i == 0 ? 0 : 1);
    const auto function = function_at(space, RemoteAddr{pc});
    if (function) frames[i].function = *function;
  }
}

}  // namespace ipcdoctor::unwind
