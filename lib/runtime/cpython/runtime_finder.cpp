#include "runtime/cpython/runtime_finder.h"

#include <elf.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <unordered_set>

#include "base/text.h"

namespace ipcdoctor::runtime::cpython {
namespace {

constexpr std::size_t kMaxInterpreters = 1024;
constexpr std::size_t kMaxThreads = 4096;

struct DynamicTables {
  std::uint64_t bias = 0, hash = 0, symbols = 0, strings = 0;
};

DynamicTables dynamic_tables(const Remote& remote, std::uint64_t start) {
  DynamicTables t;
  const auto header = remote.get<Elf64_Ehdr>(start);
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64)
    return t;
  std::uint64_t dynamic = 0;
  std::uint64_t size = 0;
  bool have_bias = false;
  for (unsigned i = 0; i < std::min<unsigned>(header.e_phnum, 64); ++i) {
    const auto segment = remote.get<Elf64_Phdr>(start + header.e_phoff + i * sizeof(Elf64_Phdr));
    if (segment.p_type == PT_LOAD && !have_bias) {
      t.bias = start - (segment.p_vaddr & ~std::uint64_t{4095});
      have_bias = true;
    }
    if (segment.p_type == PT_DYNAMIC) {
      dynamic = segment.p_vaddr;
      size = segment.p_memsz;
    }
  }
  if (dynamic == 0) return t;
  for (std::uint64_t i = 0; i < std::min<std::uint64_t>(size / sizeof(Elf64_Dyn), 256); ++i) {
    const auto entry = remote.get<Elf64_Dyn>(t.bias + dynamic + i * sizeof(Elf64_Dyn));
    if (entry.d_tag == DT_NULL) break;
    // glibc has relocated these pointers in place, musl has not.
    const std::uint64_t at =
        entry.d_un.d_ptr < t.bias ? entry.d_un.d_ptr + t.bias : entry.d_un.d_ptr;
    if (entry.d_tag == DT_GNU_HASH) t.hash = at;
    if (entry.d_tag == DT_SYMTAB) t.symbols = at;
    if (entry.d_tag == DT_STRTAB) t.strings = at;
  }
  return t;
}

std::uint32_t gnu_hash(std::string_view name) {
  std::uint32_t h = 5381;
  for (const char c : name) h = h * 33 + static_cast<unsigned char>(c);
  return h;
}

std::string_view base_name(std::string_view path) {
  const auto slash = path.rfind('/');
  return slash == path.npos ? path : path.substr(slash + 1);
}

// First mappings of images that may hold an interpreter: libpython, python*, and the executable,
// whatever its name.
std::vector<std::uint64_t> candidate_images(const std::vector<linux::Mapping>& maps) {
  std::vector<std::uint64_t> libraries;
  std::vector<std::uint64_t> others;
  bool first = true;
  for (const linux::Mapping& m : maps) {
    if (m.offset != 0 || m.ino == 0 || m.path.empty()) continue;
    const std::string_view name = base_name(m.path);
    if (name.starts_with("libpython")) {
      libraries.push_back(m.start);
    } else if (first || name.starts_with("python")) {
      others.push_back(m.start);
    }
    first = false;
  }
  libraries.insert(libraries.end(), others.begin(), others.end());
  if (libraries.size() > 16) libraries.resize(16);
  return libraries;
}

// 3.13 and later without the symbol: _PyRuntime begins with the cookie, 8-byte aligned, in a
// writable mapping of a file.
std::uint64_t find_cookie(const linux::AddressSpace& space) {
  std::size_t budget = 8U << 20;
  std::vector<std::uint8_t> bytes;
  for (const linux::Mapping& m : space.maps()) {
    if (!m.writable || !m.readable || m.ino == 0 || m.shared) continue;
    const std::string_view name = base_name(m.path);
    if (name.find("python") == name.npos) continue;
    const std::size_t size = std::min<std::size_t>(m.end - m.start, budget);
    bytes = Remote(space.memory).bytes(m.start, size);
    budget -= size;
    for (std::size_t i = 0; i + 8 <= bytes.size(); i += 8) {
      if (std::memcmp(bytes.data() + i, "xdebugpy", 8) == 0) return m.start + i;
    }
  }
  return 0;
}

// The number at the start of sys.version, if it is of this minor version.
std::string version_of(const Remote& remote, const Layout& layout, std::uint64_t interpreter) {
  const Objects objects(remote, layout);
  const Object modules = remote.pointer(interpreter + layout.interp_modules);
  const Object sys = objects.entry(modules, "sys");
  if (sys == 0) return {};
  const Object dict = remote.pointer(objects.member(sys, 16));  // PyModuleObject.md_dict
  const auto version = objects.string(objects.entry(dict, "version"), 64);
  if (!version) return {};
  const std::string number = version->substr(0, version->find_first_of(" +\n"));
  const std::string prefix = "3." + std::to_string(layout.minor) + ".";
  return number.starts_with(prefix) ? escape_untrusted(number) : std::string();
}

// All of them, newest first: the main one ends the list. Empty where the layout does not fit: the
// chain does not end, or the last one has no thread states that point back at it.
std::vector<std::uint64_t> find_interpreters(const Remote& remote, const Layout& layout,
                                             std::uint64_t runtime) {
  std::vector<std::uint64_t> found;
  std::uint64_t at = remote.pointer(runtime + layout.runtime_interpreters);
  for (; at != 0 && found.size() < kMaxInterpreters; at = remote.pointer(at + layout.interp_next))
    found.push_back(at);
  if (at != 0 || found.empty() ||
      read_thread_states(remote, layout, found.back()).addresses.empty())
    return {};
  return found;
}

bool fits(const Remote& remote, const Layout& layout, Runtime& out) {
  out.sub_interpreters = find_interpreters(remote, layout, out.address);
  if (out.sub_interpreters.empty()) return false;
  out.interpreter = out.sub_interpreters.back();
  out.sub_interpreters.pop_back();
  out.version = version_of(remote, layout, out.interpreter);
  out.layout = layout;
  return !out.version.empty();
}

/// The one that the runtime describes itself, from 3.13 on, or all that may be.
std::vector<Layout> layouts_for(const Remote& remote, std::uint64_t runtime) {
  std::array<std::uint64_t, kDebugOffsetWords> words{};
  if (remote.word(runtime) != 0 && remote.read(runtime, std::as_writable_bytes(std::span(words)))) {
    if (const auto layout = layout_from_debug_offsets(words)) return {*layout};
  }
  std::vector<Layout> layouts;
  for (int minor = kLastTableMinor; minor >= kFirstMinor; --minor)
    if (const auto layout = layout_of(minor)) layouts.push_back(*layout);
  return layouts;
}

bool try_layouts(const Remote& remote, Runtime& out) {
  return std::ranges::any_of(layouts_for(remote, out.address),
                             [&](const Layout& layout) { return fits(remote, layout, out); });
}

/// It may be that no interpreter has begun, or that all have ended: then there is nothing to read.
bool may_be_without_interpreter(const Remote& remote, std::uint64_t runtime) {
  return std::ranges::any_of(layouts_for(remote, runtime), [&](const Layout& layout) {
    const auto first = remote.find<std::uint64_t>(runtime + layout.runtime_interpreters);
    return first && *first == 0;
  });
}

}  // namespace

std::uint64_t find_dynamic_symbol(const Remote& remote, std::uint64_t start,
                                  std::string_view name) {
  const DynamicTables t = dynamic_tables(remote, start);
  if (t.hash == 0 || t.symbols == 0 || t.strings == 0) return 0;
  const auto buckets = remote.get<std::uint32_t>(t.hash);
  const auto first = remote.get<std::uint32_t>(t.hash + 4);
  const auto bloom = remote.get<std::uint32_t>(t.hash + 8);
  if (buckets == 0 || bloom > (1U << 24)) return 0;
  const std::uint64_t bucket_table = t.hash + 16 + std::uint64_t{8} * bloom;
  const std::uint64_t chain = bucket_table + std::uint64_t{4} * buckets;
  const std::uint32_t hash = gnu_hash(name);
  std::uint32_t symbol =
      remote.get<std::uint32_t>(bucket_table + std::uint64_t{4} * (hash % buckets));
  for (int n = 0; symbol >= first && symbol != 0 && n < 65536; ++n, ++symbol) {
    const auto entry_hash = remote.get<std::uint32_t>(chain + std::uint64_t{4} * (symbol - first));
    if ((entry_hash | 1) == (hash | 1)) {
      const auto entry =
          remote.get<Elf64_Sym>(t.symbols + std::uint64_t{symbol} * sizeof(Elf64_Sym));
      if (entry.st_shndx != SHN_UNDEF &&
          remote.text(t.strings + entry.st_name, name.size() + 1) == name) {
        return t.bias + entry.st_value;
      }
    }
    if ((entry_hash & 1) != 0) break;
  }
  return 0;
}

ThreadStates read_thread_states(const Remote& remote, const Layout& layout,
                                std::uint64_t interpreter) {
  ThreadStates out;
  std::unordered_set<std::uint64_t> seen;
  auto at = remote.find<std::uint64_t>(interpreter + layout.interp_threads);
  while (at && *at != 0 && out.addresses.size() < kMaxThreads && seen.insert(*at).second) {
    if (remote.pointer(*at + layout.thread_interp) != interpreter) return out;
    out.addresses.push_back(*at);
    at = remote.find<std::uint64_t>(*at + layout.thread_next);
  }
  out.complete = at && *at == 0;
  return out;
}

std::optional<std::uint64_t> find_preconfig(const Remote& remote, const Runtime& runtime) {
  constexpr std::size_t kWords = 9;
  // A forked or equal process has it as far from _PyRuntime.
  struct Known {
    std::string version;
    std::uint64_t header_growth = 0, distance = 0;
  };
  thread_local Known known;
  const auto is_preconfig = [&](const std::uint64_t* words) {
    std::array<std::int32_t, 10> config{};
    std::memcpy(config.data(), words, sizeof config);
    // {_config_init, parse_argv, isolated, use_environment, configure_locale, coerce_c_locale,
    // coerce_c_locale_warn, utf8_mode, dev_mode, allocator}
    const auto [init, parses, isolated, environment, locale, coerce, warn, utf8, dev, allocator] =
        config;
    const auto is_flag = [](std::int32_t value) { return value == 0 || value == 1; };
    const bool hook = words[5] == 0 ? words[6] == 0 : words[5] >= 4096;
    return init >= 1 && init <= 3 && is_flag(parses) && is_flag(isolated) &&
           environment == 1 - isolated && locale == 1 && coerce >= 0 && coerce <= 2 &&
           is_flag(warn) && is_flag(utf8) && is_flag(dev) && allocator >= 0 && allocator <= 16 &&
           hook && (runtime.layout.minor == 12 ? words[7] % 8 == 0 : words[7] <= 1) &&
           words[8] % 8 == 0;
  };
  std::array<std::uint64_t, kWords> words{};
  const bool same = known.distance != 0 && known.version == runtime.version &&
                    known.header_growth == runtime.layout.header_growth;
  if (same &&
      remote.read(runtime.address + known.distance, std::as_writable_bytes(std::span(words))) &&
      is_preconfig(words.data()))
    return runtime.address + known.distance;
  std::vector<std::uint64_t> all(kRuntimeSearched / 8);
  if (runtime.layout.minor < 12 ||
      !remote.read(runtime.address, std::as_writable_bytes(std::span(all))))
    return std::nullopt;
  std::optional<std::uint64_t> found;
  for (std::size_t i = 0; i + kWords <= all.size(); ++i) {
    if (!is_preconfig(&all[i])) continue;
    if (found) return std::nullopt;
    found = runtime.address + 8 * i;
  }
  if (found) known = {runtime.version, runtime.layout.header_growth, *found - runtime.address};
  return found;
}

Result<Runtime> find_runtime(const linux::AddressSpace& space,
                             const std::set<std::uint64_t>& known) {
  const Remote remote(space.memory);
  std::uint64_t found = 0;
  Runtime runtime;
  for (const std::uint64_t address : known) {
    runtime.address = address;
    if (try_layouts(remote, runtime)) return runtime;
  }
  for (const std::uint64_t image : candidate_images(space.maps())) {
    runtime.address = find_dynamic_symbol(remote, image, "_PyRuntime");
    if (runtime.address == 0) continue;
    found = runtime.address;
    if (try_layouts(remote, runtime)) return runtime;
  }
  if (found == 0) {
    found = runtime.address = find_cookie(space);
    if (found != 0 && try_layouts(remote, runtime)) return runtime;
  }
  if (found == 0 || may_be_without_interpreter(remote, found))
    return Error{Cause::Unsupported, 0, "find CPython in " + space.dir.path()};
  return Error{Cause::Malformed, 0, "recognise the layout of CPython in " + space.dir.path()};
}

}  // namespace ipcdoctor::runtime::cpython
