#include "runtime/go/program.h"

#include <algorithm>
#include <map>

#include "base/text.h"
#include "runtime/go/stage.h"

namespace ipcdoctor::runtime::go {
namespace {

using snapshot::Frame;

constexpr std::size_t kMaxGoroutines = 100'000;
constexpr std::size_t kMaxFrames = 128;
constexpr std::size_t kMaxChannels = 256;
constexpr std::size_t kMaxSleepers = 100'000;  // at semaphores
constexpr std::size_t kMaxScan = 8 << 20;      // bytes of static data
constexpr std::uint64_t kMaxStack = std::uint64_t{1} << 32;

// Of type g, gobuf and moduledata.
constexpr std::uint64_t kStackLow = 0, kStackHigh = 8, kThread = 48, kSp = 56, kPc = 64, kSelf = 72;
constexpr std::uint64_t kBss = 224, kBssEnd = 232;
// Of runtime.semtable, and of type semaRoot and sudog (src/runtime/sema.go).
constexpr std::uint64_t kRoots = 251, kRootSize = 64, kTreap = 8;
constexpr std::uint64_t kSleeper = 0, kLess = 8, kGreater = 16, kSemaphore = 24;
// Of sync.Mutex and sync.RWMutex; see src/sync/rwmutex.go.
constexpr std::uint64_t kMutexSema = 4, kWriterSema = 8, kReaderSema = 12, kReaderWait = 20;
// Of type rtype, and its TFlagExtraStar (src/internal/abi/type.go).
constexpr std::uint64_t kTypeFlags = 20, kTypeName = 40;
constexpr unsigned kExtraStar = 2;

/// src/runtime/runtime2.go
enum State : std::uint32_t {
  kIdle = 0,
  kSyscall = 3,
  kWaiting = 4,
  kDead = 6,
  kLeaked = 10,     // Go 1.26: waits for ever, as the collector found
  kDeadExtra = 11,  // Go 1.26
  kScan = 0x1000,
};

bool is_pointer(std::uint64_t value) {
  return value % 8 == 0 && value >= 4096 && value < (std::uint64_t{1} << 47);
}

/// The mapping of the program's own image that begins it.
const linux::Mapping* find_program(const linux::AddressSpace& space) {
  const auto exe = space.dir.read_link("exe");
  if (!exe) return nullptr;
  const auto& maps = space.notable_maps();
  const auto it = std::ranges::find_if(maps, [&](const linux::Mapping& mapping) {
    return mapping.path == *exe && mapping.ino != 0;
  });
  return it == maps.end() ? nullptr : &*it;
}

const unwind::ElfFile::Section* find_table(const unwind::ElfFile& elf) {
  const auto* table = elf.find_section(".gopclntab");
  return table != nullptr ? table : elf.find_section(".data.rel.ro.gopclntab");
}

/// The moduledata begins with a pointer to the table of functions, and goes on with the slice of
/// names in it.
std::optional<std::uint64_t> find_module(const linux::AddressSpace& space,
                                         const unwind::ElfFile& elf, std::uint64_t bias,
                                         std::uint64_t table) {
  for (const char* name : {".go.module", ".noptrdata", ".data", ".data.rel.ro"}) {
    const auto* section = elf.find_section(name);
    if (section == nullptr || section->size < 512) continue;
    std::vector<std::uint64_t> words(std::min<std::uint64_t>(section->size, kMaxScan) / 8);
    const std::uint64_t begin = section->address + bias;
    if (!space.memory.read(RemoteAddr{begin}, std::as_writable_bytes(std::span(words)))) continue;
    for (std::size_t i = 0; i + 2 < words.size(); ++i)
      if (words[i] == table && words[i + 1] > table &&
          words[i + 1] - table <= section->size + (std::uint64_t{1} << 32))
        return begin + i * 8;
  }
  return std::nullopt;
}

}  // namespace

Result<Program> Program::find(const linux::AddressSpace& space, unwind::ImageCache& images) {
  const Error no_go{Cause::Unsupported, 0, "find a runtime of Go"};
  const linux::Mapping* mapping = find_program(space);
  if (mapping == nullptr) return no_go;
  const auto place = images.find(space, *mapping);
  if (!place) return no_go;
  const unwind::ElfFile& elf = place->image->elf();
  const auto* table = find_table(elf);
  const auto* info = elf.find_section(".go.buildinfo");
  if (table == nullptr || info == nullptr) return no_go;
  const auto bytes = elf.read(*info);
  if (!bytes) return bytes.error();
  const std::string version = escape_untrusted(parse_build_info(*bytes));
  const Layout* layout = find_layout(minor_of(version));
  if (layout == nullptr)
    return Error{Cause::Malformed, 0,
                 "read the goroutines of " + (version.empty() ? "an unknown Go" : version) +
                     ", which is not known"};
  const std::uint64_t address = table->address + place->bias;
  const auto module = find_module(space, elf, place->bias, address);
  if (!module) return Error{Cause::Malformed, 0, "find the moduledata of Go"};
  auto functions =
      FunctionTable::open(space.memory, *layout, RemoteAddr{address}, RemoteAddr{*module});
  if (!functions) return functions.error();
  Program out(space, *layout, std::move(*functions));
  out.version_ = version;
  out.module_name_ = place->image->name();
  out.bias_ = place->bias;
  out.module_ = *module;
  if (const auto symbol = place->image->symbols().address_of("runtime.allgs"))
    out.allgs_ = *symbol + place->bias;
  if (const auto symbol = place->image->symbols().address_of("runtime.sig"))
    out.signals_ = *symbol + place->bias;
  if (const auto symbol = place->image->symbols().address_of("runtime.semtable"))
    out.semaphores_ = *symbol + place->bias;
  out.foreign_ = std::ranges::any_of(space.notable_maps(), [&](const linux::Mapping& other) {
    return other.executable && other.path != mapping->path && !other.path.starts_with('[');
  });
  return out;
}

std::uint64_t Program::word(std::uint64_t address) const {
  return space_->memory.read_u64(RemoteAddr{address}).value_or(std::uint64_t{0});
}

/// Whether that is a slice of *g.
bool Program::is_list(std::uint64_t address, std::size_t& length) const {
  const std::uint64_t begin = word(address), count = word(address + 8), room = word(address + 16);
  if (!is_pointer(begin) || count == 0 || count > room || room > (std::uint64_t{1} << 32))
    return false;
  const std::uint64_t first = word(begin), last = word(begin + (count - 1) * 8);
  for (const std::uint64_t g : {first, last})
    if (!is_pointer(g) || word(g + kSelf) != g) return false;
  length = count;
  return true;
}

/// By the symbol, or in a stripped program by what it looks like.
Result<std::vector<std::uint64_t>> Program::list_goroutines() const {
  std::size_t length = 0;
  std::optional<std::uint64_t> found;
  if (allgs_ && is_list(*allgs_, length)) {
    found = allgs_;
  } else {
    const std::uint64_t begin = word(module_ + kBss), end = word(module_ + kBssEnd);
    if (begin % 8 != 0 || end <= begin || end - begin > kMaxScan)
      return Error{Cause::Malformed, 0, "find the goroutines of Go"};
    // the collector has a copy of the slice that may be shorter
    for (std::uint64_t at = begin; at + 24 <= end; at += 8) {
      std::size_t count = 0;
      if (!is_list(at, count) || count <= length) continue;
      found = at;
      length = count;
    }
  }
  if (!found) return Error{Cause::Malformed, 0, "find the goroutines of Go"};
  if (length > kMaxGoroutines) return Error{Cause::Limit, 0, "read all goroutines"};
  std::vector<std::uint64_t> list(length);
  const Status read =
      space_->memory.read(RemoteAddr{word(*found)}, std::as_writable_bytes(std::span(list)));
  if (!read) return read.error();
  return list;
}

Result<std::vector<Goroutine>> Program::read_goroutines() {
  const auto list = list_goroutines();
  if (!list) return list.error();
  std::vector<Goroutine> out;
  const auto semaphores = read_semaphores();
  for (const std::uint64_t address : *list) {
    // each g points to itself from its first start on: else the layout is another one
    const bool sound = is_pointer(address) && word(address + kSelf) == address;
    const auto status = space_->memory.read_u32(RemoteAddr{address + layout_->g_atomicstatus});
    if (!status) return status.error();
    const std::uint32_t state = *status & ~std::uint32_t{kScan};
    if (state == kIdle || state == kDead || state == kDeadExtra) continue;
    if (!sound || state > kDeadExtra) return Error{Cause::Malformed, 0, "read a goroutine"};
    Goroutine goroutine = read_goroutine(address);
    if (goroutine.number == 0) return Error{Cause::Malformed, 0, "read a goroutine"};
    if (const auto it = semaphores.find(address); it != semaphores.end())
      read_lock(goroutine, it->second);
    out.push_back(std::move(goroutine));
  }
  std::ranges::sort(out, {}, &Goroutine::number);
  if (out.empty() || std::ranges::adjacent_find(out, {}, &Goroutine::number) != out.end())
    return Error{Cause::Malformed, 0, "read the goroutines of Go"};
  return out;
}

Goroutine Program::read_goroutine(std::uint64_t address) {
  Goroutine out;
  out.address = address;
  out.number = word(address + layout_->g_goid);
  const std::uint32_t state =
      space_->memory.read_u32(RemoteAddr{address + layout_->g_atomicstatus}).value_or(0U) &
      ~std::uint32_t{kScan};
  std::uint64_t sp = word(address + kSp), pc = word(address + kPc);
  if (const std::uint64_t m = word(address + kThread); state != kWaiting && is_pointer(m)) {
    const std::uint64_t tid = word(m + layout_->m_procid);
    if (tid < (1U << 22)) out.thread = Tid{static_cast<int>(tid)};
  }
  if (state == kSyscall) {
    out.stage = Stage::Call;
    sp = word(address + layout_->g_syscallsp);
    pc = word(address + layout_->g_syscallpc);
  } else if (state != kWaiting && state != kLeaked) {
    out.stage = Stage::Runs;
    return out;
  }
  const std::uint64_t low = word(address + kStackLow), high = word(address + kStackHigh);
  if (sp >= low && sp < high && high - low <= kMaxStack) out.frames = unwind(sp, pc);
  if (state == kSyscall) return out;
  out.stage = stage_of(out.frames);
  read_channels(out);
  return out;
}

std::vector<Frame> Program::unwind(std::uint64_t sp, std::uint64_t pc) {
  // where a stack was left for another one, or begins
  constexpr std::string_view kEnds[] = {"runtime.goexit",   "runtime.mcall",  "runtime.systemstack",
                                        "runtime.mstart",   "runtime.rt0_go", "runtime.asmcgocall",
                                        "runtime.morestack"};
  std::vector<Frame> frames;
  while (frames.size() < kMaxFrames) {
    // a return address may be the first byte of the next function
    const FunctionTable::Place* place = functions_.find(pc - 1);
    if (place == nullptr) break;
    const std::string& name = place->lines.back().function;
    if (name == "runtime.goexit") break;
    for (const FunctionTable::Line& line : place->lines) {
      Frame& frame = frames.emplace_back();
      frame.kind = line.inlined ? snapshot::FrameKind::Inlined : snapshot::FrameKind::Native;
      frame.pc = RemoteAddr{pc};
      frame.module = module_name_;
      frame.offset = pc - bias_;
      frame.function = line.function;
      frame.file = line.file;
      frame.line = line.line;
      frame.user_code = !is_standard_package(line.function) && !line.function.empty();
    }
    if (std::ranges::find(kEnds, std::string_view(name)) != std::end(kEnds) || place->stack < 0)
      break;
    const std::uint64_t at = sp + static_cast<std::uint64_t>(place->stack);
    const auto next = space_->memory.read_u64(RemoteAddr{at});
    if (!next) break;
    pc = *next;
    sp = at + 8;
  }
  return frames;
}

Carrier Program::carrier_of(const std::vector<Frame>& frames) const {
  constexpr std::string_view kIdle[] = {"runtime.stopm",        "runtime.findRunnable",
                                        "runtime.findrunnable", "runtime.stoplockedm",
                                        "runtime.startlockedm", "runtime.templateThread"};
  for (const Frame& frame : frames) {
    if (frame.function == "runtime.sysmon") return Carrier::Monitor;
    if (frame.function == "os/signal.signal_recv") return Carrier::Signals;
    if (frame.function == "runtime.gcstopm") return Carrier::None;
    if (std::ranges::find(kIdle, std::string_view(frame.function)) != std::end(kIdle)) {
      // on its way to a goroutine it may hold what others want
      const bool parked = frames.front().function == "runtime.futex" ||
                          frames.front().function.find("epollwait") != std::string::npos ||
                          frames.front().function.find("Syscall6") != std::string::npos;
      return parked ? Carrier::Idle : Carrier::None;
    }
  }
  return Carrier::None;
}

void Program::read_channels(Goroutine& goroutine) const {
  if (goroutine.stage != Stage::Receive && goroutine.stage != Stage::Send &&
      goroutine.stage != Stage::Select)
    return;
  std::uint64_t sudog = word(goroutine.address + layout_->g_waiting);
  while (sudog != 0 && goroutine.channels.size() < kMaxChannels) {
    if (!is_pointer(sudog) || word(sudog) != goroutine.address) return;
    const std::uint64_t channel = word(sudog + layout_->sudog_c);
    if (!is_pointer(channel)) return;
    const bool of_timer = layout_->hchan_timer != 0 && word(channel + layout_->hchan_timer) != 0;
    goroutine.channels.push_back(
        {RemoteAddr{channel}, type_name(word(channel + layout_->hchan_elemtype)), of_timer});
    sudog = word(sudog + layout_->sudog_waitlink);
  }
  goroutine.channels_known = sudog == 0;
}

/// The semaphore at which each g sleeps: trees of those at different ones, each with a list of the
/// others at the same.
std::map<std::uint64_t, std::uint64_t> Program::read_semaphores() const {
  std::map<std::uint64_t, std::uint64_t> found;
  if (!semaphores_) return found;
  std::vector<std::uint64_t> todo;
  for (std::uint64_t i = 0; i < kRoots; ++i)
    todo.push_back(word(*semaphores_ + i * kRootSize + kTreap));
  for (std::size_t i = 0; i < todo.size() && found.size() < kMaxSleepers; ++i) {
    std::uint64_t sudog = todo[i];
    const std::uint64_t semaphore = is_pointer(sudog) ? word(sudog + kSemaphore) : 0;
    for (bool first = true; is_pointer(sudog); first = false) {
      const std::uint64_t g = word(sudog + kSleeper);
      if (!is_pointer(g) || word(g + kSelf) != g || !found.emplace(g, semaphore).second) break;
      if (first)
        for (const std::uint64_t side : {kLess, kGreater}) todo.push_back(word(sudog + side));
      sudog = word(sudog + layout_->sudog_waitlink);
    }
  }
  return found;
}

void Program::read_lock(Goroutine& goroutine, std::uint64_t semaphore) const {
  switch (goroutine.stage) {
    case Stage::Mutex:
      goroutine.lock = RemoteAddr{semaphore - kMutexSema};
      break;
    case Stage::ReadLock:
      goroutine.lock = RemoteAddr{semaphore - kReaderSema};
      break;
    case Stage::WriteLock: {
      goroutine.lock = RemoteAddr{semaphore - kWriterSema};
      const auto readers =
          space_->memory.read_object<std::int32_t>(RemoteAddr{goroutine.lock.value + kReaderWait});
      goroutine.readers = readers && *readers > 0 ? *readers : -1;
      break;
    }
    default:
      break;
  }
}

/// The name of a type: a byte of flags, its length in seven bits a byte, its bytes
/// (src/internal/abi/type.go, Name).
std::string Program::type_name(std::uint64_t type) const {
  const auto flags = space_->memory.read_object<std::uint8_t>(RemoteAddr{type + kTypeFlags});
  const auto offset = space_->memory.read_object<std::int32_t>(RemoteAddr{type + kTypeName});
  if (!flags || !offset || *offset <= 0) return "";
  const std::uint64_t name =
      word(module_ + layout_->module_types) + static_cast<std::uint64_t>(*offset);
  const auto size = space_->memory.read_object<std::uint8_t>(RemoteAddr{name + 1});
  if (!size || *size == 0) return "";
  if (*size >= 128) return "a long name";
  std::string text(*size, '\0');
  if (!space_->memory.read(RemoteAddr{name + 2}, std::as_writable_bytes(std::span(text))))
    return "";
  if ((*flags & kExtraStar) != 0) text.erase(0, 1);
  return escape_untrusted(text);
}

Result<std::uint64_t> Program::wanted_signals() const {
  constexpr std::uint64_t kWanted = 20;  // of runtime.sig: three words, bit n of them = signal n
  if (!signals_)
    return Error{Cause::Unsupported, 0, "find the signals that Go's program asked for"};
  const auto low = space_->memory.read_u64(RemoteAddr{*signals_ + kWanted});
  const auto high = space_->memory.read_u32(RemoteAddr{*signals_ + kWanted + 8});
  if (!low) return low.error();
  if (!high) return high.error();
  return *low >> 1U | std::uint64_t{*high} << 63U;
}

std::optional<Program::Polled> Program::read_polled(int fd, std::uint64_t data) const {
  // Since Go 1.21 the pointer stands above a tag, and without those of its bits that are always 0;
  // how many these are changed with releases (src/runtime/tagptr_64bit.go).
  struct Tag {
    unsigned bits, zeros;
  };
  constexpr Tag kTags[] = {{0, 0}, {19, 3}, {24, 9}, {25, 9}};
  const auto waiter = [&](std::uint64_t at) -> std::optional<std::uint64_t> {
    constexpr std::uint64_t kWait = 2;  // pdReady 1, pdWait 2: nobody, or not yet
    const std::uint64_t g = word(at);
    if (g <= kWait) return 0;
    return is_pointer(g) && word(g + kSelf) == g ? std::optional(g) : std::nullopt;
  };
  for (const Tag& tag : kTags) {
    const auto pd = static_cast<std::uint64_t>(static_cast<std::int64_t>(data) >> tag.bits)
                    << tag.zeros;
    if (!is_pointer(pd) || word(pd + 8) != static_cast<std::uint64_t>(fd)) continue;
    const auto reader = waiter(pd + layout_->poll_rg), writer = waiter(pd + layout_->poll_wg);
    if (!reader || !writer) continue;
    return Polled{fd, *reader, *writer, word(pd + layout_->poll_rd) != 0,
                  word(pd + layout_->poll_wd) != 0};
  }
  return std::nullopt;
}

}  // namespace ipcdoctor::runtime::go
