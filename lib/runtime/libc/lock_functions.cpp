#include "runtime/libc/lock_functions.h"

#include <algorithm>
#include <iterator>

namespace ipcdoctor::runtime::libc {
namespace {

using snapshot::LockKind;

struct Entry {
  std::string_view name;
  LockKind kind;
};

constexpr Entry kPthread[] = {
    Entry{"pthread_mutex_lock", LockKind::Mutex},
    Entry{"pthread_mutex_lock_full", LockKind::Mutex},
    Entry{"pthread_mutex_timedlock", LockKind::Mutex},
    Entry{"pthread_mutex_clocklock", LockKind::Mutex},
    Entry{"pthread_mutex_clocklock_common", LockKind::Mutex},
    Entry{"pthread_mutex_cond_lock", LockKind::Mutex},
    Entry{"pthread_mutex_cond_lock_full", LockKind::Mutex},
    Entry{"pthread_rwlock_rdlock", LockKind::RwlockRead},
    Entry{"pthread_rwlock_timedrdlock", LockKind::RwlockRead},
    Entry{"pthread_rwlock_clockrdlock", LockKind::RwlockRead},
    Entry{"pthread_rwlock_rdlock_full64", LockKind::RwlockRead},
    Entry{"pthread_rwlock_wrlock", LockKind::RwlockWrite},
    Entry{"pthread_rwlock_timedwrlock", LockKind::RwlockWrite},
    Entry{"pthread_rwlock_clockwrlock", LockKind::RwlockWrite},
    Entry{"pthread_rwlock_wrlock_full64", LockKind::RwlockWrite},
    Entry{"pthread_cond_wait", LockKind::Condition},
    Entry{"pthread_cond_timedwait", LockKind::Condition},
    Entry{"pthread_cond_clockwait", LockKind::Condition},
    Entry{"cnd_wait", LockKind::Condition},
    Entry{"sem_wait", LockKind::Semaphore},
    Entry{"sem_timedwait", LockKind::Semaphore},
    Entry{"sem_clockwait", LockKind::Semaphore},
    Entry{"sem_wait_slow64", LockKind::Semaphore},
    Entry{"pthread_barrier_wait", LockKind::Barrier},
    Entry{"pthread_join", LockKind::ThreadJoin},
    Entry{"pthread_clockjoin_ex", LockKind::ThreadJoin},
    Entry{"pthread_timedjoin_np", LockKind::ThreadJoin},
    Entry{"pthread_clockjoin_np", LockKind::ThreadJoin},
    Entry{"pthread_timedjoin_ex", LockKind::ThreadJoin},
    Entry{"thrd_join", LockKind::ThreadJoin},
    Entry{"pthread_once", LockKind::Once},
    Entry{"pthread_once_slow", LockKind::Once},
    Entry{"call_once", LockKind::Once},
    Entry{"cxa_guard_acquire", LockKind::Once},
};

// Functions that take the lock of a FILE. Only those that a program calls; internal ones are not
// exported.
constexpr std::string_view kStdio[] = {
    "IO_flockfile", "IO_fclose",    "IO_fflush",  "IO_fgets",   "IO_fputs",  "IO_fread",
    "IO_fwrite",    "IO_getc",      "IO_getline", "IO_putc",    "IO_puts",   "IO_ungetc",
    "IO_vfprintf",  "IO_vfscanf",   "fclose",     "feof",       "ferror",    "fflush",
    "fgetc",        "fgets",        "fgetwc",     "fgetws",     "flockfile", "fprintf",
    "fprintf_chk",  "fputc",        "fputs",      "fputwc",     "fputws",    "fread",
    "freopen",      "fscanf",       "fseek",      "fseeko",     "ftell",     "ftello",
    "fwrite",       "getc",         "getchar",    "getdelim",   "getline",   "getwc",
    "perror",       "printf",       "printf_chk", "putc",       "putchar",   "puts",
    "putwc",        "rewind",       "scanf",      "setbuf",     "setvbuf",   "ungetc",
    "vfprintf",     "vfprintf_chk", "vprintf",    "vprintf_chk"};

constexpr std::string_view kMalloc[] = {"malloc",   "free",          "calloc",         "realloc",
                                        "memalign", "aligned_alloc", "posix_memalign", "valloc",
                                        "pvalloc",  "malloc_trim",   "mallinfo2"};

// Functions with a lock of their own, which stores no owner.
constexpr std::string_view kInternal[] = {
    "tzset",         "localtime",       "localtime_r",    "mktime",
    "timelocal",     "strftime",        "strftime_l",     "ctime",
    "ctime_r",       "gmtime",          "gmtime_r",       "getaddrinfo",
    "gethostbyname", "gethostbyname_r", "gethostbyaddr",  "gethostbyaddr_r",
    "getservbyname", "getservbyname_r", "getpwnam",       "getpwnam_r",
    "getpwuid",      "getpwuid_r",      "getpwent",       "getgrnam",
    "getgrnam_r",    "getgrgid",        "getgrgid_r",     "getgrent",
    "getspnam",      "getspnam_r",      "getnameinfo",    "initgroups",
    "getgrouplist",  "setlocale",       "bindtextdomain", "textdomain",
    "dcgettext",     "dcngettext",      "syslog",         "vsyslog",
    "vsyslog_chk",   "syslog_chk",      "openlog",        "random",
    "rand",          "srandom",         "setenv",         "unsetenv",
    "putenv",        "atexit",          "exit",           "fork"};

/// "__GI___pthread_mutex_lock", "___pthread_mutex_lock", "pthread_mutex_lock@@GLIBC_2.2.5" ->
/// "pthread_mutex_lock".
std::string_view plain_name(std::string_view name) {
  name = name.substr(0, name.find('@'));
  if (name.starts_with("__GI_")) name.remove_prefix(5);
  name.remove_prefix(std::min(name.find_first_not_of('_'), name.size()));
  if (name.starts_with("new_sem_")) name.remove_prefix(4);
  return name;
}

template <class Names>
bool has(const Names& names, std::string_view name) {
  return std::ranges::find(names, name) != std::end(names);
}

}  // namespace

LockKind lock_kind_of_function(std::string_view function) {
  const std::string_view name = plain_name(function);
  const auto entry = std::ranges::find(kPthread, name, &Entry::name);
  if (entry != std::end(kPthread)) return entry->kind;
  if (has(kStdio, name)) return LockKind::FileStream;
  if (has(kMalloc, name)) return LockKind::Arena;
  if (has(kInternal, name)) return LockKind::LibcInternal;
  // std::latch, std::barrier, semaphores, std::atomic<>::wait and std::future of libstdc++: which
  // of the functions is left depends on what was inlined
  for (const std::string_view part :
       {"std::latch::", "std::__tree_barrier<", "std::barrier<", "std::counting_semaphore<",
        "std::__atomic_semaphore::", "std::__atomic_wait_address", "std::__detail::__waiter",
        "__platform_wait", "_M_futex_wait_until"}) {
    if (function.find(part) != function.npos) return LockKind::Latch;
  }
  return LockKind::Unknown;
}

LockKind lock_kind_of_rust(std::string_view function) {
  // sys::sync::mutex::futex::Mutex, before 1.76 sys::unix::locks::futex_mutex::Mutex
  if (function.find("::sys::") == function.npos || function.find("futex") == function.npos)
    return LockKind::Unknown;
  constexpr Entry kFunctions[] = {{"Mutex>::lock_contended", LockKind::Mutex},
                                  {"Mutex::lock_contended", LockKind::Mutex},
                                  {"RwLock>::read_contended", LockKind::RwlockRead},
                                  {"RwLock::read_contended", LockKind::RwlockRead},
                                  {"RwLock>::write_contended", LockKind::RwlockWrite},
                                  {"RwLock::write_contended", LockKind::RwlockWrite},
                                  {"Condvar>::wait_optional_timeout", LockKind::Condition},
                                  {"Condvar::wait_optional_timeout", LockKind::Condition}};
  for (const Entry& entry : kFunctions)
    if (function.find(entry.name) != function.npos) return entry.kind;
  return LockKind::Unknown;
}

std::string_view noun_of(LockKind kind) {
  switch (kind) {
    case LockKind::Mutex:
      return "mutex";
    case LockKind::RecursiveMutex:
      return "recursive mutex";
    case LockKind::ErrorcheckMutex:
      return "error-checking mutex";
    case LockKind::RobustMutex:
      return "robust mutex";
    case LockKind::PiMutex:
      return "priority-inheriting mutex";
    case LockKind::RwlockRead:
      return "read lock";
    case LockKind::RwlockWrite:
      return "write lock";
    case LockKind::Condition:
      return "condition variable";
    case LockKind::Semaphore:
      return "semaphore";
    case LockKind::Barrier:
      return "barrier";
    case LockKind::ThreadJoin:
      return "end of a thread";
    case LockKind::Once:
      return "one-time initialisation";
    case LockKind::FileStream:
      return "lock of a stdio stream";
    case LockKind::Arena:
      return "lock of the heap";
    case LockKind::LibcInternal:
      return "lock inside libc";
    case LockKind::Latch:
      return "wait of libstdc++";
    default:
      return "futex";
  }
}

}  // namespace ipcdoctor::runtime::libc
