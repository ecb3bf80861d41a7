#include "runtime/cpython/threads.h"

#include "base/text.h"

namespace ipcdoctor::runtime::cpython {
namespace {

const NativeThread* with_ns_tid(std::span<const NativeThread> threads, std::uint64_t ns_tid) {
  for (const NativeThread& t : threads) {
    if (t.ns_tid > 0 && static_cast<std::uint64_t>(t.ns_tid) == ns_tid) return &t;
  }
  return nullptr;
}

constexpr std::uint64_t kGlibcTid =
    720;  // offsetof(struct pthread, tid), glibc 2.4 to 2.42 on x86-64

}  // namespace

Tid match_thread(const Remote& remote, const linux::AddressSpace& space,
                 std::span<const NativeThread> threads, std::uint64_t ident,
                 std::uint64_t native_id) {
  const bool descriptor = remote.word(ident) == ident && remote.word(ident + 16) == ident;
  if (descriptor) {
    if (const auto* t = with_ns_tid(threads, remote.get<std::uint32_t>(ident + kGlibcTid)))
      return t->tid;
  }
  if (native_id != 0) {
    if (const auto* t = with_ns_tid(threads, native_id)) return t->tid;
  }
  const linux::Mapping* stack = linux::find_mapping(space.maps(), RemoteAddr{ident});
  const NativeThread* nearest = nullptr;
  if (stack != nullptr) {
    for (const NativeThread& t : threads) {
      if (t.sp.value < stack->start || t.sp.value >= ident) continue;
      if (nearest == nullptr || t.sp.value > nearest->sp.value) nearest = &t;
    }
  }
  return nearest == nullptr ? Tid{} : nearest->tid;
}

Object module_global(const Objects& objects, Object modules, std::string_view module,
                     std::string_view name) {
  const Object found = objects.entry(modules, module);
  return found == 0 ? 0 : objects.entry(objects.remote().pointer(objects.member(found, 16)), name);
}

std::unordered_map<std::uint64_t, std::string> read_thread_names(const Objects& objects,
                                                                 Object modules) {
  std::unordered_map<std::uint64_t, std::string> names;
  const Object active = module_global(objects, modules, "threading", "_active");
  objects.each_entry(active, [&](Object key, Object thread) {
    const auto ident = objects.integer(key);
    const auto name = objects.string(objects.attribute(thread, "_name"), 128);
    if (ident && name) names.emplace(static_cast<std::uint64_t>(*ident), escape_untrusted(*name));
    return true;
  });
  return names;
}

}  // namespace ipcdoctor::runtime::cpython
