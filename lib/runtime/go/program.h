#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "linux/address_space.h"
#include "runtime/go/function_table.h"
#include "snapshot/snapshot.h"
#include "unwind/image.h"

/// Programs of Go, known by their image: what their scheduler's threads are at, and what each of
/// their goroutines waits for.
namespace ipcdoctor::runtime::go {

/// What a goroutine is in, by the functions of the runtime and of the standard library between it
/// and the scheduler.
enum class Stage {
  Runs,  ///< or is about to, or nobody can tell
  Call,  ///< in a system call, or in C: as its thread
  Read,  ///< parked until a descriptor is ready (internal/poll)
  Write,
  Accept,
  Ready,    ///< the same, for another reason: a connection, a raw operation
  Receive,  ///< from a channel
  Send,
  Select,
  Forever,  ///< select {}
  Mutex,
  ReadLock,
  WriteLock,
  WaitGroup,
  Condition,
  Semaphore,  ///< of the library's own, below none of these
  Sleep,
  System,  ///< one of the runtime's own, which only the runtime wakes
  Other,   ///< parked for a reason that is not known here
};

/// One channel that a goroutine waits on.
struct Channel {
  RemoteAddr address;
  std::string element;  ///< the type of its elements, "os.Signal"; "" if unknown
  bool of_timer = false;
};

struct Goroutine {
  std::uint64_t number = 0;
  std::uint64_t address = 0;  ///< of its g
  Stage stage = Stage::Other;
  Tid thread;  ///< Call, Runs: its number in the program's own PID namespace; 0: unknown
  std::vector<snapshot::Frame> frames;
  std::vector<Channel> channels;  ///< Receive, Send, Select
  bool channels_known = false;
  /// Mutex, ReadLock, WriteLock: the lock, where the runtime's table of semaphores has it; 0:
  /// unknown
  RemoteAddr lock;
  /// WriteLock that waits for readers: how many have not gone yet; -1: unknown
  std::int64_t readers = -1;
};

/// What a thread of the scheduler is at.
enum class Carrier {
  None,     ///< not between goroutines
  Idle,     ///< parked until there is a goroutine to run, or polls for one
  Monitor,  ///< runtime.sysmon
  Signals,  ///< parked in os/signal.loop, which passes signals on to channels
};

class Program {
 public:
  /// @param images  shared between processes
  /// @return Unsupported: no Go, or a version that is not known; Malformed, Denied.
  static Result<Program> find(const linux::AddressSpace& space, unwind::ImageCache& images);

  const std::string& version() const { return version_; }  ///< "go1.22.12"
  /// Other code than Go's and the kernel's is mapped: of C, with handlers and threads of its own.
  bool has_foreign_code() const { return foreign_; }

  bool has_code_at(std::uint64_t pc) { return functions_.find(pc) != nullptr; }

  /// All goroutines but dead ones, by number. @return Malformed, Limit.
  Result<std::vector<Goroutine>> read_goroutines();

  /// The frames from there, innermost first, up to the begin of its stack; none if that is no code
  /// of Go.
  std::vector<snapshot::Frame> unwind(std::uint64_t sp, std::uint64_t pc);
  Carrier carrier_of(const std::vector<snapshot::Frame>& frames) const;

  /// Signals that os/signal asked for, bit n-1 = signal n. An Error: not known.
  Result<std::uint64_t> wanted_signals() const;

  /// A descriptor that the network poller watches.
  struct Polled {
    int fd = -1;
    std::uint64_t reader = 0, writer = 0;  ///< g of who waits for it; 0: nobody
    bool read_deadline = false, write_deadline = false;
  };
  /// @param fd, data  of an entry of an epoll set, see epoll_ctl(2). Nothing if it is none of the
  /// poller's.
  std::optional<Polled> read_polled(int fd, std::uint64_t data) const;

 private:
  Program(const linux::AddressSpace& space, const Layout& layout, FunctionTable functions)
      : space_(&space), layout_(&layout), functions_(std::move(functions)) {}
  std::uint64_t word(std::uint64_t address) const;
  Result<std::vector<std::uint64_t>> list_goroutines() const;
  bool is_list(std::uint64_t address, std::size_t& length) const;
  Goroutine read_goroutine(std::uint64_t address);
  void read_channels(Goroutine& goroutine) const;
  std::map<std::uint64_t, std::uint64_t> read_semaphores() const;
  void read_lock(Goroutine& goroutine, std::uint64_t semaphore) const;
  std::string type_name(std::uint64_t type) const;
  bool is_of_library(const FunctionTable::Line& line) const;

  const linux::AddressSpace* space_;
  const Layout* layout_;
  FunctionTable functions_;
  std::string version_, module_name_, library_;
  std::uint64_t bias_ = 0, module_ = 0;
  std::optional<std::uint64_t> allgs_, signals_, semaphores_;
  bool foreign_ = false;
};

}  // namespace ipcdoctor::runtime::go
