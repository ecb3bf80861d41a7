#include "runtime/native/reader.h"

#include <algorithm>

namespace ipcdoctor::runtime::native {
namespace {

constexpr std::size_t kMostOfOne = 20'000;  ///< instructions: some 10 ms

/// By what the image calls itself. Beside these a thread may run functions of the C and C++
/// libraries only.
struct Runtime {
  std::string_view soname;  ///< how it begins
  std::string_view name;
  std::string_view but_not;  ///< a function that runs what its program registered
};
constexpr Runtime kRuntimes[] = {
    {"libgomp.so.", "libgomp", ""},        {"libomp.so", "libomp", ""},
    {"libiomp5.so", "libiomp5", ""},       {"libopenblas", "OpenBLAS", ""},
    {"libscipy_openblas", "OpenBLAS", ""}, {"libtbb.so.", "TBB", ""},
    {"libuv.so.", "libuv", "uv_run"},      {"libjvm.so", "the JVM", ""},
};

const Runtime* runtime_of(const Linkage& linkage) {
  const auto it = std::ranges::find_if(
      kRuntimes, [&](const Runtime& r) { return linkage.soname.starts_with(r.soname); });
  return it == std::end(kRuntimes) ? nullptr : it;
}

/// What one reading may take of the budget; the rest goes back.
struct Share {
  Share(std::size_t& all, std::size_t most) : left(std::min(all, most)), budget(all) {
    budget -= left;
  }
  Share(const Share&) = delete;
  Share& operator=(const Share&) = delete;
  ~Share() { budget += left; }

  std::size_t left;
  std::size_t& budget;
};

}  // namespace

bool Reader::is_of_runtime(std::string_view module) {
  return module.starts_with("node") || std::ranges::any_of(kRuntimes, [&](const Runtime& r) {
           return module.starts_with(r.soname);
         });
}

Reader::Housekeeping Reader::find_housekeeping(const linux::AddressSpace& space,
                                               const unwind::RawStack& stack) {
  if (stack.end != unwind::End::Outermost || stack.frames.size() < 3) return {};
  Program program(space, images_, linkages_);
  const auto calls = calls_of(program, stack);
  if (!calls) return {};
  if (const KnownThread* known = find_known_thread(program, *calls))
    return {std::string(known->what), known->harmless};
  const Runtime* found = nullptr;
  for (const Call& call : *calls) {
    const Runtime* runtime = runtime_of(*call.linkage);
    if (runtime == nullptr || (found != nullptr && found != runtime)) return {};
    if (!runtime->but_not.empty() && program.function_around(call.pc) == runtime->but_not)
      return {};
    found = runtime;
  }
  if (found == nullptr) return {};
  return {"thread of " + std::string(found->name), false};
}

snapshot::Effects Reader::read_thread(const linux::AddressSpace& space,
                                      const unwind::RawStack& stack, const Walk::Thread& thread) {
  Program program(space, images_, linkages_);
  Share share(budget_, kMostOfOne);
  return Walk(program, disassembler_, share.left).read_thread(stack, thread);
}

bool Reader::gives_back(const linux::AddressSpace& space, const unwind::RawStack& stack,
                        const Walk::Thread& thread) {
  Program program(space, images_, linkages_);
  Share share(budget_, kMostOfOne);
  Walk walk(program, disassembler_, share.left);
  (void)walk.read_thread(stack, thread);
  return walk.releases(thread.argument);
}

Interrupted Reader::read_interrupted(const linux::AddressSpace& space,
                                     const unwind::RawStack& stack,
                                     const std::array<std::uint64_t, 6>& arguments,
                                     const Written& written, bool leads) {
  constexpr std::size_t kMost = 5000;
  Program program(space, images_, linkages_);
  Share share(budget_, kMost);
  return native::read_interrupted(program, disassembler_, stack, arguments, written, leads,
                                  share.left);
}

std::optional<KnownHandler> Reader::known_handler(const linux::AddressSpace& space,
                                                  const linux::SignalAction& action,
                                                  std::span<const linux::SignalAction> all) {
  Program program(space, images_, linkages_);
  return find_known_handler(program, action, all);
}

Reader::Handler Reader::read_handler(const linux::AddressSpace& space, RemoteAddr address) {
  Program program(space, images_, linkages_);
  Share share(budget_, kMostOfOne);
  Handler handler;
  handler.of_language = program.exports(address.value, "Py_IsInitialized") ||
                        program.exports(address.value, "ruby_version");
  if (handler.of_language) return handler;
  Walk walk(program, disassembler_, share.left);
  handler.effects = walk.read_function(address.value);
  handler.written = walk.written();
  const std::string function = program.function_around(address.value);
  const unwind::Image* image = program.image_at(address.value);
  if (image != nullptr)
    handler.name =
        function.empty() ? program.name_of(address.value) : function + " in " + image->name();
  return handler;
}

}  // namespace ipcdoctor::runtime::native
