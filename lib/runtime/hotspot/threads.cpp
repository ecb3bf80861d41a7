#include "runtime/hotspot/threads.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <span>

#include "base/text.h"
#include "runtime/hotspot/heap.h"

namespace ipcdoctor::runtime::hotspot {
namespace {

constexpr std::size_t kMaxThreads = 20'000;
constexpr std::size_t kMaxFrames = 512;
constexpr std::size_t kMaxHeaps = 8;
constexpr std::size_t kMaxSegments = 100'000;
constexpr std::size_t kMaxLineBytes = 1 << 16;
constexpr std::uint64_t kWord = 8;

/// Where the innermost frame of some Java code is; all 0: there is none.
struct Anchor {
  std::uint64_t sp = 0, fp = 0, pc = 0;
};

struct Method {
  std::string klass, name;  ///< raw
  std::string file;
  int line = 0;
  bool of_library = false;
  bool inlines = false;  ///< it is compiled: others may be in it that are not told
};

/// Numbers of OpenJDK's compressed streams (share/code/compressedStream.hpp, share/utilities/
/// unsigned5.hpp): the digits have 6 bits; since JDK 20 no byte is 0.
class Bytes {
 public:
  Bytes(std::span<const std::uint8_t> bytes, unsigned excess) : bytes_(bytes), excess_(excess) {}
  std::optional<std::uint8_t> byte() {
    if (at_ == bytes_.size()) return std::nullopt;
    return bytes_[at_++];
  }
  std::optional<std::int32_t> number() {
    const unsigned low = 192 - excess_;  // digits from here on are followed by another
    std::uint32_t sum = 0;
    for (unsigned i = 0; i < 5; ++i) {
      const auto b = byte();
      if (!b || *b < excess_) return std::nullopt;
      const std::uint32_t digit = *b - excess_;
      sum += digit << (6 * i);
      if (digit < low) break;
    }
    return static_cast<std::int32_t>((sum >> 1) ^ (0U - (sum & 1)));
  }

 private:
  std::span<const std::uint8_t> bytes_;
  unsigned excess_;
  std::size_t at_ = 0;
};

/// Reads Java frames. Layout of interpreted and entry frames: OpenJDK,
/// src/hotspot/cpu/x86/frame_x86.hpp.
class Frames {
 public:
  explicit Frames(const Vm& vm) : vm_(vm) {
    const std::uint64_t queue = vm.pointer("AbstractInterpreter", "_code");
    const auto limit_at = vm.member("StubQueue", "_buffer_limit");
    interpreter_ = vm.pointer(queue, "StubQueue", "_stub_buffer");
    if (queue != 0 && limit_at)
      interpreter_end_ = interpreter_ + vm.read_int(queue + *limit_at).value_or(0);
    entry_ = vm.pointer("StubRoutines", "_call_stub_return_address");
    low_ = vm.pointer("CodeCache", "_low_bound");
    high_ = vm.pointer("CodeCache", "_high_bound");
    if (low_ == 0) low_ = vm.pointer("CodeHeap", "_low_bound");
    const auto version = vm.member("Abstract_VM_Version", "_vm_major_version");
    if (version) version_ = static_cast<int>(vm.read_int(*version).value_or(0));
  }

  /// @return whether all was read, from the anchor to the thread's begin.
  bool walk(Anchor anchor, std::vector<Method>& methods) const {
    std::size_t steps = 0;
    while (anchor.sp != 0) {
      if (anchor.pc == 0) anchor.pc = vm_.read(anchor.sp - kWord).value_or(0);
      const std::uint64_t before = anchor.sp;
      while (anchor.pc != entry_) {
        const std::uint64_t sp = anchor.sp;
        const bool found = anchor.pc - interpreter_ < interpreter_end_ - interpreter_
                               ? leave_interpreted(anchor, methods)
                               : leave_compiled(anchor, methods);
        if (!found || anchor.sp <= sp || ++steps > kMaxFrames) return false;
      }
      // C++ called Java here; what called C++ is told by the anchor that it kept
      if (entry_ == 0) return false;
      const auto wrapper = vm_.read(anchor.fp - 6 * kWord);
      const auto next_at = vm_.member("JavaCallWrapper", "_anchor");
      if (!wrapper || !next_at) return false;
      const auto next = read_anchor(*wrapper + *next_at);
      if (!next || (next->sp != 0 && next->sp <= before)) return false;
      anchor = *next;
    }
    return !methods.empty();
  }

  std::optional<Anchor> read_anchor(std::uint64_t address) const {
    const auto sp_at = vm_.member("JavaFrameAnchor", "_last_Java_sp");
    const auto fp_at = vm_.member("JavaFrameAnchor", "_last_Java_fp");
    const auto pc_at = vm_.member("JavaFrameAnchor", "_last_Java_pc");
    if (!sp_at || !fp_at || !pc_at) return std::nullopt;
    const auto sp = vm_.read(address + *sp_at), fp = vm_.read(address + *fp_at),
               pc = vm_.read(address + *pc_at);
    if (!sp || !fp || !pc) return std::nullopt;
    return Anchor{*sp, *fp, *pc};
  }

 private:
  bool leave_interpreted(Anchor& at, std::vector<Method>& methods) const {
    const auto method = vm_.read(at.fp - 3 * kWord);
    const auto fp = vm_.read(at.fp), pc = vm_.read(at.fp + kWord);
    if (!method || !fp || !pc) return false;
    auto found = method_at(*method);
    if (!found) return false;
    const std::uint64_t constants = vm_.pointer(*method, "Method", "_constMethod");
    // JDK 9 put one word before it
    for (const std::uint64_t words : {8, 7})
      if (found->line == 0)
        found->line = line_of(constants, vm_.read(at.fp - words * kWord).value_or(0));
    methods.push_back(std::move(*found));
    at = {at.fp + 2 * kWord, *fp, *pc};
    return true;
  }

  bool leave_compiled(Anchor& at, std::vector<Method>& methods) const {
    const std::uint64_t blob = blob_at(at.pc);
    const auto size_at = vm_.member("CodeBlob", "_frame_size");
    if (blob == 0 || !size_at) return false;
    const std::uint64_t words = vm_.read_int(blob + *size_at).value_or(0);
    if (words < 2 || words > 1 << 16) return false;
    const auto name =
        vm_.space().memory.read_string(RemoteAddr{vm_.pointer(blob, "CodeBlob", "_name")}, 64);
    if (!name) return false;
    if (name->ends_with("nmethod")) {
      std::uint64_t method = vm_.pointer(blob, "CompiledMethod", "_method");
      if (method == 0) method = vm_.pointer(blob, "nmethod", "_method");
      auto found = method_at(method);
      if (!found) return false;
      found->inlines = *name == "nmethod";
      methods.push_back(std::move(*found));
    }
    const std::uint64_t sp = at.sp + words * kWord;
    const auto fp = vm_.read(sp - 2 * kWord), pc = vm_.read(sp - kWord);
    if (!fp || !pc) return false;
    at = {sp, *fp, *pc};
    return true;
  }

  /// The CodeBlob around a place in compiled code; 0: none. Each byte of a heap's map of segments
  /// says how far back its block may begin (share/memory/heap.cpp).
  std::uint64_t blob_at(std::uint64_t pc) const {
    if (pc < low_ || pc >= high_) return 0;
    const std::uint64_t heaps = vm_.pointer("CodeCache", "_heaps");
    const auto count_at = vm_.member("GrowableArrayBase", "_len");
    const std::uint64_t first = vm_.pointer(heaps, "GrowableArray<int>", "_data");
    const auto shift_at = vm_.member("CodeHeap", "_log2_segment_size");
    const auto memory_at = vm_.member("CodeHeap", "_memory");
    const auto map_at = vm_.member("CodeHeap", "_segmap");
    const auto header = vm_.size_of("HeapBlock");
    if (heaps == 0 || !count_at || first == 0 || !shift_at || !memory_at || !map_at || !header)
      return 0;
    const std::size_t count =
        std::min<std::size_t>(vm_.read_int(heaps + *count_at).value_or(0), kMaxHeaps);
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint64_t heap = vm_.read(first + i * kWord).value_or(0);
      const std::uint64_t begin = vm_.pointer(heap + *memory_at, "VirtualSpace", "_low");
      const std::uint64_t end = vm_.pointer(heap + *memory_at, "VirtualSpace", "_high");
      const std::uint32_t shift = vm_.read_int(heap + *shift_at).value_or(64);
      if (heap == 0 || pc < begin || pc >= end || shift > 16) continue;
      const std::uint64_t map = vm_.pointer(heap + *map_at, "VirtualSpace", "_low");
      std::uint64_t segment = (pc - begin) >> shift;
      for (std::size_t steps = 0; steps < kMaxSegments; ++steps) {
        const auto back = vm_.space().memory.read_object<std::uint8_t>(RemoteAddr{map + segment});
        if (!back || *back == 0xFF || *back > segment) return 0;
        if (*back == 0) return begin + (segment << shift) + *header;
        segment -= *back;
      }
      return 0;
    }
    return 0;
  }

  std::optional<Method> method_at(std::uint64_t address) const {
    const std::uint64_t constant = vm_.pointer(address, "Method", "_constMethod");
    const std::uint64_t pool = vm_.pointer(constant, "ConstMethod", "_constants");
    const std::uint64_t holder = vm_.pointer(pool, "ConstantPool", "_pool_holder");
    const auto name_at = vm_.member("ConstMethod", "_name_index");
    if (pool == 0 || holder == 0 || !name_at) return std::nullopt;
    const auto index = vm_.read_short(constant + *name_at);
    const auto name = index ? vm_.constant_text(pool, *index) : std::nullopt;
    Method method;
    method.klass = vm_.class_name(holder);
    if (!name || name->empty() || method.klass.empty()) return std::nullopt;
    method.name = *name;
    const auto loader_at = vm_.member("ClassLoaderData", "_class_loader");
    const std::uint64_t loader = vm_.pointer(holder, "Klass", "_class_loader_data");
    const bool of_boot = loader != 0 && loader_at && vm_.read(loader + *loader_at) == 0;
    static constexpr std::array<std::string_view, 5> kPackages = {"java/", "javax/", "jdk/", "sun/",
                                                                  "com/sun/"};
    method.of_library = of_boot || std::ranges::any_of(kPackages, [&](std::string_view package) {
                          return method.klass.starts_with(package);
                        });
    method.file = source_of(pool, holder);
    return method;
  }

  /// "Main.java"; "" if unknown. JDK 12 moved it into the pool of constants.
  std::string source_of(std::uint64_t pool, std::uint64_t holder) const {
    auto at = vm_.member("ConstantPool", "_source_file_name_index");
    std::uint64_t where = pool;
    if (!at) at = vm_.member("InstanceKlass", "_source_file_name_index"), where = holder;
    const auto index = at ? vm_.read_short(where + *at) : std::nullopt;
    if (!index || *index == 0) return "";
    return vm_.constant_text(pool, *index).value_or("");
  }

  /// The line of the bytecode at that address; 0: it is not of that method, or has no lines. The
  /// table follows the code: share/oops/constMethod.hpp.
  int line_of(std::uint64_t constant, std::uint64_t bytecode) const {
    const auto header = vm_.size_of("ConstMethod");
    const auto size_at = vm_.member("ConstMethod", "_code_size");
    auto flags_at = vm_.member("ConstMethod", "_flags");
    if (!flags_at) flags_at = vm_.member("ConstMethod", "_flags._flags");  // JDK 21
    const auto whole_at = vm_.member("ConstMethod", "_constMethod_size");
    if (!header || !size_at || !flags_at || !whole_at) return 0;
    const std::uint64_t code = constant + *header;
    const std::uint64_t size = vm_.read_short(constant + *size_at).value_or(0);
    const std::uint64_t whole = vm_.read_int(constant + *whole_at).value_or(0) * kWord;
    const bool has_lines = (vm_.read_short(constant + *flags_at).value_or(0) & 1) != 0;
    if (!has_lines || bytecode < code || bytecode - code >= size || whole <= *header + size)
      return 0;
    std::vector<std::uint8_t> table(std::min<std::uint64_t>(whole - *header - size, kMaxLineBytes));
    if (!vm_.space().memory.read(RemoteAddr{code + size}, std::as_writable_bytes(std::span(table))))
      return 0;
    Bytes bytes(table, version_ >= 20 ? 1 : 0);
    constexpr std::uint8_t kEnd = 0, kLong = 0xFF;
    std::int64_t at = 0, line = 0;
    int found = 0;
    while (const auto step = bytes.byte()) {
      if (*step == kEnd) break;
      if (*step == kLong) {
        const auto by = bytes.number(), lines = bytes.number();
        if (!by || !lines) return 0;
        at += *by, line += *lines;
      } else {
        at += *step >> 3, line += *step & 7;
      }
      if (at <= static_cast<std::int64_t>(bytecode - code) && line > 0 && line < 1 << 16)
        found = static_cast<int>(line);
    }
    return found;
  }

  const Vm& vm_;
  std::uint64_t interpreter_ = 0, interpreter_end_ = 0, entry_ = 0, low_ = 0, high_ = 0;
  int version_ = 0;
};

/// Threads of the JVM that run Java, at rest: all their methods are among these. Sources: OpenJDK
/// 17 and 21, java/lang/ref, jdk/internal/ref and java/util/concurrent.
struct Duty {
  std::string_view what;
  std::string_view main;    ///< the method that makes it what it is
  std::string_view others;  ///< separated by blanks
};
constexpr std::string_view kQueue =
    " java/lang/Object.wait java/lang/Object.wait0 java/lang/ref/ReferenceQueue.remove"
    " java/lang/ref/ReferenceQueue.remove0 java/lang/ref/ReferenceQueue.await"
    " java/lang/ref/NativeReferenceQueue.await java/lang/ref/NativeReferenceQueue.remove"
    " java/util/concurrent/locks/AbstractQueuedSynchronizer$ConditionObject.await"
    " java/util/concurrent/locks/AbstractQueuedSynchronizer$ConditionNode.block"
    " java/util/concurrent/ForkJoinPool.managedBlock"
    " java/util/concurrent/ForkJoinPool.unmanagedBlock java/util/concurrent/locks/LockSupport.park"
    " java/util/concurrent/locks/LockSupport.parkNanos jdk/internal/misc/Unsafe.park"
    " java/lang/Thread.run java/lang/Thread.runWith jdk/internal/misc/InnocuousThread.run ";
/// A worker of a ThreadPoolExecutor without a task, of a pool that does not schedule: tasks come
/// from others, and when it has waited long enough it ends.
constexpr std::string_view kIdleWorker =
    " java/util/concurrent/ThreadPoolExecutor.runWorker"
    " java/util/concurrent/ThreadPoolExecutor$Worker.run java/util/concurrent/SynchronousQueue.poll"
    " java/util/concurrent/SynchronousQueue.take"
    " java/util/concurrent/SynchronousQueue$TransferStack.transfer"
    " java/util/concurrent/SynchronousQueue$TransferStack.awaitFulfill"
    " java/util/concurrent/SynchronousQueue$TransferQueue.transfer"
    " java/util/concurrent/SynchronousQueue$TransferQueue.awaitFulfill"
    " java/util/concurrent/SynchronousQueue$Transferer.xferLifo"
    " java/util/concurrent/LinkedTransferQueue$DualNode.await"
    " java/util/concurrent/LinkedBlockingQueue.poll java/util/concurrent/LinkedBlockingQueue.take"
    " java/util/concurrent/ArrayBlockingQueue.poll java/util/concurrent/ArrayBlockingQueue.take"
    " java/util/concurrent/locks/AbstractQueuedSynchronizer$ConditionObject.await"
    " java/util/concurrent/locks/AbstractQueuedSynchronizer$ConditionObject.awaitNanos"
    " java/util/concurrent/locks/AbstractQueuedSynchronizer$ConditionNode.block"
    " java/util/concurrent/ForkJoinPool.managedBlock"
    " java/util/concurrent/ForkJoinPool.unmanagedBlock java/util/concurrent/locks/LockSupport.park"
    " java/util/concurrent/locks/LockSupport.parkNanos jdk/internal/misc/Unsafe.park"
    " sun/misc/Unsafe.park java/lang/Thread.run java/lang/Thread.runWith"
    " jdk/internal/misc/InnocuousThread.run ";
constexpr Duty kDuties[] = {
    {"reference handler of the JVM", "java/lang/ref/Reference$ReferenceHandler.run",
     " java/lang/ref/Reference.waitForReferencePendingList"
     " java/lang/ref/Reference.processPendingReferences "},
    {"finalizer of the JVM", "java/lang/ref/Finalizer$FinalizerThread.run", kQueue},
    {"cleaner of the JVM", "jdk/internal/ref/CleanerImpl.run", kQueue},
    {"worker without a task", "java/util/concurrent/ThreadPoolExecutor.getTask", kIdleWorker},
};

std::string duty_of(const std::vector<Method>& methods) {
  for (const Duty& duty : kDuties) {
    bool is_main = false;
    const bool all = std::ranges::all_of(methods, [&](const Method& method) {
      const std::string name = method.klass + "." + method.name;
      if (name == duty.main) is_main = true;
      return !method.inlines &&
             (name == duty.main || duty.others.find(" " + name + " ") != std::string_view::npos);
    });
    if (all && is_main) return std::string(duty.what);
  }
  return "";
}

bool is_in(const std::vector<Method>& methods, std::string_view klass, std::string_view name) {
  return std::ranges::any_of(
      methods, [&](const Method& method) { return method.klass == klass && method.name == name; });
}

/// Where the library waits for others, in the doctor's words. A latch is counted down by anybody,
/// and a service parks its main thread on one: no party is owed there.
struct LibraryCall {
  std::string_view klass, names;  ///< separated by blanks
  std::string_view call;
  snapshot::Operation operation;
};
constexpr LibraryCall kLibraryCalls[] = {
    {"FutureTask", " get ", "Future.get", snapshot::Operation::AwaitResult},
    {"CompletableFuture", " get join ", "Future.get", snapshot::Operation::AwaitValue},
    {"ForkJoinTask", " get join invoke ", "Future.get", snapshot::Operation::AwaitResult},
    {"CountDownLatch", " await ", "CountDownLatch.await", snapshot::Operation::AwaitSignal},
    {"Semaphore", " acquire acquireUninterruptibly ", "Semaphore.acquire",
     snapshot::Operation::AwaitSignal},
    {"CyclicBarrier", " await ", "CyclicBarrier.await", snapshot::Operation::AwaitParties},
    {"ThreadPoolExecutor", " getTask ", "ThreadPoolExecutor.getTask", snapshot::Operation::Serve},
    {"ForkJoinPool", " awaitWork ", "ForkJoinPool.awaitWork", snapshot::Operation::Serve},
    {"Queue", " take ", "BlockingQueue.take", snapshot::Operation::Take},
    {"Queue", " put ", "BlockingQueue.put", snapshot::Operation::Put},
    {"Deque", " take takeFirst takeLast ", "BlockingQueue.take", snapshot::Operation::Take},
    {"Deque", " put putFirst putLast ", "BlockingQueue.put", snapshot::Operation::Put},
};

const LibraryCall* find_call(const Method& method) {
  constexpr std::string_view kPackage = "java/util/concurrent/";
  if (!method.klass.starts_with(kPackage)) return nullptr;
  const std::string_view klass = std::string_view(method.klass).substr(kPackage.size());
  const auto it = std::ranges::find_if(kLibraryCalls, [&](const LibraryCall& known) {
    const bool is_kind = known.klass == "Queue" || known.klass == "Deque";
    return (is_kind ? klass.ends_with(known.klass) : klass == known.klass) &&
           known.names.find(" " + method.name + " ") != std::string_view::npos;
  });
  return it == std::end(kLibraryCalls) ? nullptr : &*it;
}

/// What the program called: the outermost known call before its own code.
snapshot::Activity activity_of(const std::vector<Method>& methods) {
  snapshot::Activity activity;
  for (const Method& method : methods) {
    if (!method.of_library) break;
    if (const LibraryCall* known = find_call(method)) {
      activity.call = known->call;
      activity.operation = known->operation;
      const bool of_queue = known->klass == "Queue" || known->klass == "Deque";
      activity.object.kind = of_queue ? snapshot::Resource::Queue : snapshot::Resource::Unknown;
    } else if (method.klass == "java/lang/Thread" && method.name == "join") {
      activity.call = "Thread.join";
      activity.operation = snapshot::Operation::AwaitEnd;
      activity.object.kind = snapshot::Resource::Thread;
    }
  }
  if (!activity.call.empty()) activity.object.reach = snapshot::Reach::Memory;
  if (is_in(methods, "java/util/concurrent/ThreadPoolExecutor", "runWorker"))
    activity.part = snapshot::Part::Worker;
  return activity;
}

std::string dotted(std::string_view name) {
  std::string text(name);
  std::ranges::replace(text, '/', '.');
  return text;
}

snapshot::Frame frame_of(const Method& method) {
  snapshot::Frame frame;
  frame.module = "libjvm.so";
  frame.function = escape_untrusted(dotted(method.klass) + "." + method.name);
  frame.file = escape_untrusted(method.file);
  frame.line = method.line;
  frame.user_code = !method.of_library;
  return frame;
}

struct Known {
  std::uint64_t address = 0;
  std::uint64_t object = 0;  ///< its java.lang.Thread
  std::uint64_t stack_begin = 0, stack_end = 0;
  int ns_tid = 0;
};

Known read_known(const Vm& vm, const Heap& heap, std::uint64_t thread) {
  Known known;
  known.address = thread;
  known.object = heap.thread_object(thread);
  std::uint64_t os = vm.pointer(thread, "Thread", "_osthread");
  if (os == 0) os = vm.pointer(thread, "JavaThread", "_osthread");
  const auto tid_at = vm.member("OSThread", "_thread_id");
  if (os != 0 && tid_at) known.ns_tid = static_cast<int>(vm.read_int(os + *tid_at).value_or(0));
  known.stack_end = vm.pointer(thread, "JavaThread", "_stack_base");
  if (known.stack_end == 0) known.stack_end = vm.pointer(thread, "Thread", "_stack_base");
  std::uint64_t size = vm.pointer(thread, "JavaThread", "_stack_size");
  if (size == 0) size = vm.pointer(thread, "Thread", "_stack_size");
  known.stack_begin = known.stack_end - std::min(size, known.stack_end);
  return known;
}

std::vector<Known> list_threads(const Vm& vm, const Heap& heap) {
  std::vector<Known> threads;
  const std::uint64_t list = vm.pointer("ThreadsSMRSupport", "_java_thread_list");
  const std::uint64_t first = vm.pointer(list, "ThreadsList", "_threads");
  const auto count_at = vm.member("ThreadsList", "_length");
  if (list != 0 && first != 0 && count_at) {
    const std::size_t count =
        std::min<std::size_t>(vm.read_int(list + *count_at).value_or(0), kMaxThreads);
    for (std::size_t i = 0; i < count; ++i)
      threads.push_back(read_known(vm, heap, vm.read(first + i * kWord).value_or(0)));
    return threads;
  }
  // JDK 8
  std::uint64_t thread = vm.pointer("Threads", "_thread_list");
  for (std::size_t i = 0; thread != 0 && i < kMaxThreads; ++i) {
    threads.push_back(read_known(vm, heap, thread));
    thread = vm.pointer(thread, "JavaThread", "_next");
  }
  return threads;
}

/// Who has a monitor: its owner is a thread, or a place in the stack of one that had the object
/// locked before anybody wanted it.
int owner_of(const Vm& vm, std::uint64_t monitor, const std::vector<Known>& threads) {
  const std::uint64_t owner = vm.pointer(monitor, "ObjectMonitor", "_owner");
  const auto it = std::ranges::find_if(threads, [&](const Known& known) {
    return owner != 0 &&
           (known.address == owner || (owner >= known.stack_begin && owner < known.stack_end));
  });
  return it == threads.end() ? 0 : it->ns_tid;
}

/// It waits until somebody gives back a lock of java.util.concurrent, which knows its owner.
void read_synchronizer(const Heap& heap, const Known& known, const std::vector<Known>& threads,
                       const std::vector<Method>& methods, JavaThread& thread) {
  if (!is_in(methods, "java/util/concurrent/locks/LockSupport", "park")) return;
  const auto lock = heap.find_synchronizer(known.object);
  const auto owner = std::ranges::find_if(threads, [&](const Known& other) {
    return lock && other.object != 0 && heap.is_owner(*lock, other.object);
  });
  if (!lock || owner == threads.end()) return;
  thread.wanted_lock = RemoteAddr{lock->object};
  thread.lock_class = lock->klass;
  thread.lock_owner = owner->ns_tid;
  thread.only_owner_helps = lock->of_library;
  // Of compiled code nobody knows whether lockInterruptibly() is inlined into it.
  for (const Method& method : methods) {
    if (method.inlines || method.name.find("nterrupt") != method.name.npos)
      thread.only_owner_helps = false;
    if (!method.of_library) break;
  }
}

}  // namespace

Result<std::vector<JavaThread>> read_threads(const Vm& vm) {
  const Heap heap(vm);
  const std::vector<Known> threads = list_threads(vm, heap);
  const auto anchor_at = vm.member("JavaThread", "_anchor");
  if (threads.empty() || !anchor_at)
    return Error{Cause::Malformed, 0, "read the list of a JVM's threads"};
  const Frames frames(vm);
  std::vector<JavaThread> found;
  for (const Known& known : threads) {
    if (known.ns_tid <= 0) continue;
    JavaThread& thread = found.emplace_back();
    thread.ns_tid = known.ns_tid;
    std::vector<Method> methods;
    const auto anchor = frames.read_anchor(known.address + *anchor_at);
    thread.of_vm = anchor && anchor->sp == 0;
    if (anchor && frames.walk(*anchor, methods)) thread.housekeeping = duty_of(methods);
    for (const Method& method : methods) thread.frames.push_back(frame_of(method));
    thread.activity = activity_of(methods);
    // JDK 9 and later; before, java.lang.UNIXProcess. Its frames hold no program's code.
    thread.reaps = is_in(methods, "java/lang/ProcessHandleImpl", "waitForProcessExit0") ||
                   is_in(methods, "java/lang/UNIXProcess", "waitForProcessExit");
    thread.awaits_child = is_in(methods, "java/lang/ProcessImpl", "waitFor") ||
                          is_in(methods, "java/lang/UNIXProcess", "waitFor");
    std::uint64_t monitor = vm.pointer(known.address, "JavaThread", "_current_pending_monitor");
    if (monitor == 0) monitor = vm.pointer(known.address, "Thread", "_current_pending_monitor");
    if (monitor == 0) {
      read_synchronizer(heap, known, threads, methods, thread);
      continue;
    }
    thread.wanted_monitor = RemoteAddr{monitor};
    thread.monitor_owner = owner_of(vm, monitor, threads);
  }
  return found;
}

std::optional<snapshot::Effects> known_handler(const Vm& vm, int signal, std::string_view name) {
  using snapshot::effects_of;
  if (!name.ends_with(" in libjvm.so")) return std::nullopt;
  if (name.starts_with("SR_handler(")) return effects_of(0, "suspends a thread for a profiler");
  if (!name.starts_with("UserHandler(")) return std::nullopt;
  if (signal == SIGQUIT) {
    auto effects = effects_of(snapshot::kWrites, "prints the stacks of all threads");
    effects.fds = {STDOUT_FILENO};
    return effects;
  }
  const bool ends = signal == SIGHUP || signal == SIGINT || signal == SIGTERM;
  const bool as_ever =
      ends && vm.lacks_boot_classes({"sun/misc/Signal", "java/lang/ApplicationShutdownHooks"});
  if (!as_ever) return std::nullopt;
  return effects_of(snapshot::kExits, "shuts the JVM down");
}

}  // namespace ipcdoctor::runtime::hotspot
