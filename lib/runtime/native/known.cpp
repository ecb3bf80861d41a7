#include "runtime/native/known.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <string>
#include <unordered_map>

namespace ipcdoctor::runtime::native {
namespace {

using namespace snapshot;
using Rule = Known::Rule;

/// Functions of one line have the same effects.
struct Group {
  const char* names;  ///< separated by blanks
  std::uint32_t mask = 0;
  const char* words = "";
  int descriptor = -1;
  const char* flags = "";  ///< n: never returns, h: holds nothing while blocked, c: cancellable,
                           ///< o: its first argument is what it releases, m: the second one too,
                           ///< 0, 1, 3: that argument is its FILE, O: stdout, E: stderr,
                           ///< C: it is of a std::ostream
  Rule rule = Rule::Plain;
};

constexpr std::uint32_t kExecutes = kForks | kExits | kCloses | kReleases;
/// Exit handlers and destructors of the program run.
constexpr std::uint32_t kCleansUp = kExits | kUnknown;

// clang-format off
constexpr Group kLibrary[] = {
    // ---- waits that end by themselves, and hold nothing meanwhile
    {"nanosleep clock_nanosleep sleep usleep thrd_sleep", 0, "sleeps", -1, "hc"},
    {"sched_yield pthread_yield thrd_yield", 0, "yields", -1, "h"},
    {"poll select", 0, "polls", -1, "hc"},
    {"ppoll", 0, "polls", -1, "hc", Rule::MaskInPpoll},
    {"pselect", 0, "polls", -1, "hc", Rule::MaskInPselect},
    {"epoll_wait", 0, "polls", -1, "hc"},
    {"epoll_pwait epoll_pwait2", 0, "polls", -1, "hc", Rule::MaskInEpoll},
    {"pause", 0, "waits for signals", -1, "hc"},
    {"sigwait sigwaitinfo sigtimedwait", 0, "waits for signals", -1, "hc"},
    {"sigsuspend sigpause", kSignals, "waits for signals", -1, "hc"},
    {"wait wait3 wait4 waitpid waitid", 0, "waits for children", -1, "hc"},
    {"pthread_mutex_lock pthread_mutex_trylock pthread_mutex_timedlock pthread_mutex_clocklock mtx_lock mtx_trylock "
     "mtx_timedlock pthread_spin_lock pthread_spin_trylock", 0, "locks", -1, "h"},
    // who gets a read lock may let in others, who gives up a write lock too
    {"pthread_rwlock_rdlock pthread_rwlock_wrlock pthread_rwlock_tryrdlock pthread_rwlock_trywrlock "
     "pthread_rwlock_timedrdlock pthread_rwlock_timedwrlock pthread_rwlock_clockrdlock pthread_rwlock_clockwrlock",
     kReleases, "locks", -1, "ho"},
    {"sem_wait sem_timedwait sem_clockwait sem_trywait", 0, "waits for a semaphore", -1, "hc"},
    {"pthread_cond_wait pthread_cond_timedwait pthread_cond_clockwait cnd_wait cnd_timedwait", kReleases,
     "waits for a condition", -1, "hcm"},
    {"pthread_join pthread_timedjoin_np pthread_tryjoin_np pthread_clockjoin_np thrd_join", 0, "joins threads", -1, "hc"},
    // ---- wakes
    {"pthread_mutex_unlock mtx_unlock pthread_rwlock_unlock pthread_spin_unlock", kReleases, "unlocks", -1, "ho"},
    {"funlockfile", kReleases, "unlocks", -1, "h"},
    {"sem_post", kReleases, "posts a semaphore", -1, "ho"},
    {"pthread_cond_signal pthread_cond_broadcast cnd_signal cnd_broadcast", kReleases, "signals a condition", -1, "ho"},
    {"pthread_barrier_wait", kReleases, "waits at a barrier", -1, "ho"},
    {"cxa_guard_release cxa_guard_abort", kReleases, "", -1, "h"},
    {"semop semtimedop semctl", kReleases, "changes a semaphore", -1, "h"},
    {"flock lockf lockf64", kReleases | kCloses, "locks files", -1, "hc"},
    // ---- descriptors
    {"read pread pread64 readv preadv preadv2 preadv64 recv recvfrom recvmsg recvmmsg eventfd_read", kReads, "reads", 0, "hc"},
    {"mq_receive mq_timedreceive", kReads, "receives messages", 0, "hc"},
    {"accept accept4", kReads, "accepts connections", 0, "hc", Rule::Accept},
    {"write pwrite pwrite64 writev pwritev pwritev2 pwritev64 send sendto sendmsg sendmmsg eventfd_write", kWrites, "writes", 0, "hc"},
    {"mq_send mq_timedsend", kWrites, "sends messages", 0, "hc"},
    {"msgrcv", kReads | kReleases, "receives messages", -1, "hc"},
    {"msgsnd", kWrites | kReleases, "sends messages", -1, "hc"},
    {"connect", kWrites, "connects", 0, "hc"},
    {"close", kCloses, "closes descriptors", 0, "hc"},
    {"shutdown", kCloses, "closes descriptors", 0, "h"},
    {"dup2 dup3", kCloses, "closes descriptors", 1, "h"},
    {"close_range closefrom", kCloses, "closes descriptors", -1, "h"},
    {"sendfile sendfile64 splice tee vmsplice copy_file_range", kReads | kWrites, "copies", -1, "hc"},
    {"timerfd_settime", kWrites, "sets a timer", 0, "h"},
    {"setsockopt", kReads | kWrites, "", 0, "h"},
    {"epoll_ctl", kWrites, "", -1, "h"},
    {"socket socketpair pipe pipe2 eventfd timerfd_create epoll_create epoll_create1 dup bind listen getsockname "
     "getpeername getsockopt timerfd_gettime isatty tcgetattr lseek lseek64 fsync fdatasync sync fileno "
     "fileno_unlocked memfd_create", 0, "", -1, "h"},
    {"fcntl fcntl64", 0, "", 0, "hc", Rule::Fcntl},
    {"ioctl", 0, "", 0, "h", Rule::Ioctl},
    {"stat stat64 lstat lstat64 fstat fstat64 fstatat fstatat64 xstat xstat64 lxstat lxstat64 fxstat fxstat64 statx "
     "access faccessat euidaccess readlink readlinkat getcwd statfs fstatfs statvfs fstatvfs",
     kReads, "looks at files", -1, "h"},
    {"getdents getdents64 readdir readdir64", kReads, "looks at files", -1},
    // of a FIFO it lets the other side in
    {"open open64 openat openat64 openat2 creat creat64 shm_open mq_open", kReads | kWrites, "opens files", -1, "hc"},
    {"unlink unlinkat rename renameat renameat2 mkdir mkdirat rmdir remove link linkat symlink symlinkat chmod fchmod "
     "chown fchown truncate truncate64 ftruncate ftruncate64 utimes futimens utimensat futimes",
     kReads | kWrites, "changes files", -1, "h"},
    // ---- stdio
    {"printf vprintf puts putchar putchar_unlocked wprintf", kWrites, "prints", -1, "cO", Rule::Stream},
    {"fprintf vfprintf fwprintf vfwprintf fflush fflush_unlocked overflow", kWrites, "prints", -1, "c0", Rule::Stream},
    {"fputs fputs_unlocked fputc fputc_unlocked putc putc_unlocked putw fputwc putwc fputws", kWrites, "prints", -1, "c1",
     Rule::Stream},
    {"fwrite fwrite_unlocked", kWrites, "prints", -1, "c3", Rule::Stream},
    {"perror psignal warn warnx vwarn vwarnx", kWrites, "prints", -1, "cE", Rule::Stream},
    {"dprintf vdprintf", kWrites, "prints", 0, "c"},
    {"syslog vsyslog", kWrites, "writes to the system's log", -1, "c"},
    {"fgets fgets_unlocked fread fread_unlocked getc getc_unlocked fgetc fgetc_unlocked getchar getchar_unlocked "
     "getline getdelim fscanf vfscanf scanf vscanf isoc99_fscanf isoc99_scanf isoc23_fscanf isoc23_scanf uflow "
     "underflow fgetwc getwc fgetws", kReads | kWrites, "reads", -1, "c", Rule::Stream},
    {"fclose", kCloses | kWrites, "closes descriptors", -1, "c", Rule::Stream},
    {"closedir", kCloses, "closes descriptors", -1, ""},
    {"feof ferror clearerr feof_unlocked ferror_unlocked clearerr_unlocked flockfile ftrylockfile", 0, "", -1, "h"},
    // ---- ends
    {"exit", kCleansUp, "ends its process", -1, "n"},
    {"quick_exit", kCleansUp, "ends its process", -1, "n"},
    {"_exit _Exit", kExits, "ends its process", -1, "n"},
    {"abort", kExits | kSignals, "ends its process", -1, "n"},
    {"err errx verr verrx", kCleansUp | kWrites, "ends its process", -1, "n"},
    {"error error_at_line", kCleansUp | kWrites, "prints", -1},
    {"assert_fail assert_perror_fail assert", kExits | kSignals | kWrites, "asserts", -1, "n"},
    // memory is damaged: not what a program may do next, but what it did wrong
    {"stack_chk_fail stack_chk_fail_local fortify_fail chk_fail fatal", 0, "", -1, "n"},
    {"pthread_exit thrd_exit", kEndsThread | kRaises | kUnknown, "ends its thread", -1, "n"},
    {"pthread_setcancelstate pthread_setcanceltype pthread_testcancel", kEndsThread | kRaises | kUnknown,
     "may be cancelled", -1},
    {"longjmp siglongjmp _longjmp", kRaises, "jumps out", -1, "n"},
    // ---- processes and threads
    {"fork vfork _Fork posix_spawn posix_spawnp system popen daemon forkpty clone", kForks, "starts processes", -1, "c"},
    {"pthread_create thrd_create", kForks, "starts threads", -1},
    {"execve execv execvp execvpe execl execlp execle fexecve execveat", kExecutes, "executes a program", -1, "h"},
    {"pclose", kCloses, "closes descriptors", -1, "c"},
    {"kill raise gsignal killpg pthread_kill pthread_sigqueue sigqueue tgkill", kSignals, "sends signals", -1, "h"},
    {"pthread_cancel", kSignals, "cancels threads", -1, "h"},
    {"alarm ualarm setitimer timer_settime timer_create timer_delete", kSignals, "sets a timer", -1, "h"},
    {"sigprocmask pthread_sigmask", 0, "", -1, "h", Rule::SignalMask},
    {"syscall", 0, "", -1, "h", Rule::Call},
    // ---- own memory only, or harmless questions
    {"memcpy memmove memset memcmp memchr memrchr mempcpy rawmemchr bcopy bzero bcmp explicit_bzero memmem memccpy "
     "strlen strnlen strcpy strncpy stpcpy stpncpy strcat strncat strcmp strncmp strcasecmp strncasecmp strchr strrchr "
     "strchrnul strstr strcasestr strspn strcspn strpbrk strtok strtok_r strsep strcoll strxfrm strerror "
     "strerror_r xpg_strerror_r strsignal strerrorname_np strerrordesc_np sigabbrev_np sigdescr_np index rindex strlcpy strlcat strverscmp wcslen wcscpy wcsncpy wcscmp "
     "wcsncmp wcscat wcschr wcsrchr wmemcpy wmemmove wmemset wmemcmp wmemchr wcsnlen", 0, "", -1, "h"},
    {"strtol strtoul strtoll strtoull strtoimax strtoumax strtod strtof strtold atoi atol atoll atof isoc23_strtol "
     "isoc23_strtoul isoc23_strtoll isoc23_strtoull strtol_internal strtoul_internal strtod_internal strtol_l strtoul_l "
     "strtod_l strtof_l strtold_l", 0, "", -1, "h"},
    {"isalpha isdigit isalnum isspace isupper islower ispunct isprint iscntrl isxdigit isgraph toupper tolower "
     "ctype_b_loc ctype_tolower_loc ctype_toupper_loc ctype_get_mb_cur_max iswalpha iswspace towlower towupper mbrtowc "
     "wcrtomb mbstowcs wcstombs mbsrtowcs wcsrtombs mbrlen btowc wctob", 0, "", -1, "h"},
    {"snprintf sprintf vsnprintf vsprintf sscanf vsscanf isoc99_sscanf isoc99_vsscanf isoc23_sscanf isoc23_vsscanf "
     "swprintf vswprintf", 0, "", -1, "h"},
    {"malloc calloc realloc free cfree reallocarray aligned_alloc posix_memalign memalign valloc malloc_usable_size "
     "mallinfo mallinfo2 malloc_trim strdup strndup asprintf vasprintf", 0, "", -1, "h", Rule::Allocates},
    {"time clock_gettime clock_getres gettimeofday clock ftime times difftime gmtime gmtime_r timegm timespec_get "
     "timespec_getres strftime asctime asctime_r", 0, "", -1, "h"},
    {"localtime localtime_r mktime ctime ctime_r tzset", 0, "", -1, ""},
    {"getenv secure_getenv setenv unsetenv putenv clearenv getauxval sysconf getpagesize getpid getppid gettid getuid "
     "geteuid getgid getegid getpgid getpgrp getsid getresuid getresgid gethostname uname sysinfo getrusage getrlimit "
     "getrlimit64 getpriority setpriority nice sched_getcpu sched_getaffinity sched_setaffinity sched_getparam "
     "sched_getscheduler sched_setscheduler sched_get_priority_max sched_get_priority_min getloadavg get_nprocs get_nprocs_conf getcpu "
     "prctl gnu_get_libc_version current_sigrtmin current_sigrtmax", 0, "", -1, "h"},
    {"pthread_self pthread_equal pthread_getspecific pthread_setspecific pthread_key_create pthread_key_delete "
     "pthread_setname_np pthread_getname_np pthread_setaffinity_np pthread_getaffinity_np pthread_getcpuclockid "
     "pthread_attr_init pthread_attr_destroy pthread_attr_setdetachstate pthread_attr_setstacksize "
     "pthread_getattr_np pthread_attr_getstack pthread_mutex_init pthread_mutex_destroy pthread_mutexattr_init "
     "pthread_mutexattr_settype pthread_mutexattr_setpshared pthread_mutexattr_setrobust pthread_mutexattr_destroy "
     "pthread_mutex_consistent pthread_cond_init pthread_condattr_init pthread_condattr_setclock "
     "pthread_condattr_setpshared pthread_condattr_destroy pthread_rwlock_init pthread_rwlock_destroy "
     "pthread_barrier_init pthread_spin_init pthread_spin_destroy sem_init sem_destroy sem_getvalue pthread_detach "
     "thrd_current thrd_detach thrd_equal mtx_init mtx_destroy cnd_init tss_get tss_set tss_create tss_delete", 0, "", -1, "h"},
    {"rand srand rand_r random srandom random_r srandom_r initstate setstate drand48 lrand48 nrand48 mrand48 erand48 "
     "srand48 drand48_r lrand48_r arc4random arc4random_buf arc4random_uniform getrandom getentropy", 0, "", -1, "h"},
    {"setjmp sigsetjmp _setjmp errno_location h_errno_location sigemptyset sigfillset sigaddset sigdelset sigismember "
     "sigisemptyset sigpending", 0, "", -1, "h"},
    {"mmap mmap64 munmap mprotect madvise msync mlock munlock mlockall munlockall mincore mremap brk sbrk", 0, "", -1, "h"},
    {"tls_get_addr cxa_finalize cxa_atexit gmon_start cxa_thread_atexit_impl", 0, "", -1, "h"},
    {"ffs ffsl ffsll abs labs llabs div ldiv lldiv basename dirname xpg_basename swab htons htonl ntohs ntohl inet_ntop "
     "inet_pton inet_addr inet_ntoa inet_aton getopt getopt_long hcreate setlocale localeconv nl_langinfo newlocale "
     "uselocale duplocale freelocale insque remque lfind", 0, "", -1, "h"},
};

constexpr Group kCxxLibrary[] = {
    // memory that is used up is no way out: it ends the program, and so rarely that nobody waits for it
    {"_Znwm _Znam _ZnwmRKSt9nothrow_t _ZnamRKSt9nothrow_t _ZnwmSt11align_val_t _ZnamSt11align_val_t _ZdlPv _ZdaPv "
     "_ZdlPvm _ZdaPvm _ZdlPvSt11align_val_t _ZdaPvSt11align_val_t _ZdlPvmSt11align_val_t _ZdaPvmSt11align_val_t "
     "_ZSt17__throw_bad_allocv _ZSt28__throw_bad_array_new_lengthv", 0, "", -1, "h", Rule::Allocates},
    {"__cxa_throw __cxa_rethrow _Unwind_Resume _Unwind_RaiseException _Unwind_Resume_or_Rethrow __cxa_throw_bad_array_new_length "
     "_ZSt20__throw_length_errorPKc _ZSt19__throw_logic_errorPKc _ZSt20__throw_out_of_rangePKc "
     "_ZSt24__throw_out_of_range_fmtPKcz _ZSt25__throw_bad_function_callv _ZSt20__throw_system_errori "
     "_ZSt24__throw_invalid_argumentPKc _ZSt21__throw_runtime_errorPKc _ZSt16__throw_bad_castv _ZSt18__throw_bad_typeidv "
     "_ZSt20__throw_future_errori _ZSt22__throw_overflow_errorPKc _ZSt21__throw_range_errorPKc", kRaises | kUnknown, "throws an exception",
     -1, "n"},
    {"_ZSt9terminatev __cxa_pure_virtual __cxa_deleted_virtual __cxa_call_unexpected __cxa_call_terminate "
     "_ZSt10unexpectedv", kExits | kSignals | kUnknown, "ends its process", -1, "n"},
    {"_ZNSo3putEc _ZNSo5flushEv _ZNSo5writeEPKcl _ZNSolsEPKv _ZNSolsEb _ZNSolsEd _ZNSolsEf _ZNSolsEi _ZNSolsEj _ZNSolsEl _ZNSolsEm "
     "_ZNSolsEs _ZNSolsEt _ZNSolsEx _ZNSolsEy _ZNSo9_M_insertIPKvEERSoT_ _ZNSo9_M_insertIbEERSoT_ _ZNSo9_M_insertIdEERSoT_ "
     "_ZNSo9_M_insertIlEERSoT_ _ZNSo9_M_insertImEERSoT_ _ZNSo9_M_insertIxEERSoT_ _ZNSo9_M_insertIyEERSoT_ "
     "_ZSt4endlIcSt11char_traitsIcEERSt13basic_ostreamIT_T0_ES6_ _ZSt5flushIcSt11char_traitsIcEERSt13basic_ostreamIT_T0_ES6_ "
     "_ZStlsISt11char_traitsIcEERSt13basic_ostreamIcT_ES5_PKc _ZStlsISt11char_traitsIcEERSt13basic_ostreamIcT_ES5_c "
     "_ZStlsISt11char_traitsIcEERSt13basic_ostreamIcT_ES5_h _ZStlsIcSt11char_traitsIcEERSt13basic_ostreamIT_T0_ES6_St5_Setw "
     "_ZStlsIcSt11char_traitsIcESaIcEERSt13basic_ostreamIT_T0_ES7_RKNSt7__cxx1112basic_stringIS4_S5_T1_EE "
     "_ZSt16__ostream_insertIcSt11char_traitsIcEERSt13basic_ostreamIT_T0_ES6_PKS3_l", kWrites, "prints", -1, "C"},
    {"_ZNSolsEPFRSoS_E", kWrites, "prints", -1, "C", Rule::Manipulator},
    {"__cxa_guard_acquire", 0, "", -1, "h"},
    {"__cxa_guard_release __cxa_guard_abort", kReleases, "", -1, "h"},
    {"__cxa_get_globals __cxa_get_globals_fast __cxa_uncaught_exceptions __cxa_uncaught_exception __dynamic_cast "
     "_ZNSt6chrono3_V212system_clock3nowEv _ZNSt6chrono3_V212steady_clock3nowEv", 0, "", -1, "h"},
};
// clang-format on

using Table = std::unordered_map<std::string, Known>;

template <std::size_t N>
Table build_table(const Group (&groups)[N]) {
  Table table;
  for (const Group& group : groups) {
    std::string_view rest = group.names;
    const std::string_view flags = group.flags;
    while (!rest.empty()) {
      const std::string_view name = rest.substr(0, rest.find(' '));
      rest.remove_prefix(std::min(rest.size(), name.size() + 1));
      if (name.empty()) continue;
      Known known;
      known.name = name;
      known.mask = group.mask;
      known.words = group.words;
      known.descriptor = group.descriptor;
      known.returns = flags.find('n') == flags.npos;
      known.holds_nothing = flags.find('h') != flags.npos;
      known.objects = flags.find('m') != flags.npos ? 2 : flags.find('o') != flags.npos ? 1 : 0;
      known.cancellable = flags.find('c') != flags.npos;
      for (const char stream : {'0', '1', '3'})
        if (flags.find(stream) != flags.npos) known.stream = stream - '0';
      if (flags.find('O') != flags.npos) known.stream = Known::kStdout;
      if (flags.find('E') != flags.npos) known.stream = Known::kStderr;
      if (flags.find('C') != flags.npos) known.stream = Known::kOstream;
      known.rule = group.rule;
      table.emplace(name, known);
    }
  }
  return table;
}

const Known* find_in(const Table& table, std::string_view name) {
  const auto it = table.find(std::string(name));
  return it == table.end() ? nullptr : &it->second;
}

Known call(std::uint32_t mask, std::string_view words, int descriptor = -1,
           Rule rule = Rule::Plain) {
  Known known;
  known.mask = mask;
  known.words = words;
  known.descriptor = descriptor;
  known.holds_nothing = true;
  known.cancellable = true;
  known.rule = rule;
  return known;
}

}  // namespace

const Known* find_function(std::string_view name) {
  static const Table kTable = build_table(kLibrary);
  if (const Known* exact = find_in(kTable, name)) return exact;
  std::string_view plain = name;
  for (const std::string_view prefix : {"__GI_", "__libc_", "_IO_", "__new_", "__"}) {
    if (!plain.starts_with(prefix)) continue;
    plain.remove_prefix(prefix.size());
    break;
  }
  if (plain.starts_with("__")) plain.remove_prefix(2);
  for (const std::string_view suffix : {"_chk", "_time64", "_internal", "_impl"}) {
    if (plain.ends_with(suffix) && find_in(kTable, plain) == nullptr)
      plain.remove_suffix(suffix.size());
  }
  // "exit" is not what "__exit" would be: with underscores only "_exit" is known
  return plain == name ? nullptr : find_in(kTable, plain);
}

const Known* find_cxx_function(std::string_view name) {
  static const Table kTable = build_table(kCxxLibrary);
  return find_in(kTable, name);
}

std::uint32_t effects_of_futex(std::uint64_t operation) {
  switch (operation & static_cast<std::uint64_t>(FUTEX_CMD_MASK)) {
    case FUTEX_WAIT:
    case FUTEX_WAIT_BITSET:
    case FUTEX_LOCK_PI:
    case 13:  // FUTEX_LOCK_PI2, Linux 5.14
    case FUTEX_TRYLOCK_PI:
      return 0;
    default:
      return kReleases;
  }
}

std::uint32_t effects_of_fcntl(std::uint64_t command) {
  switch (command & 0xffff'ffff) {
    case F_DUPFD:
    case F_DUPFD_CLOEXEC:
    case F_GETFD:
    case F_SETFD:
    case F_GETFL:
    case F_GETLK:
    case F_SETFL:  // O_NONBLOCK and O_ASYNC are asked before a wait
      return 0;
    default:
      return kUnknown;
  }
}

std::uint32_t effects_of_ioctl(std::uint64_t request) {
  switch (request & 0xffff'ffff) {
    case FIONREAD:
    case FIONBIO:
    case FIOCLEX:
    case TCGETS:
    case TIOCGWINSZ:
    case TIOCGPGRP:
    case TIOCOUTQ:
      return 0;
    default:
      return kUnknown;
  }
}

Known system_call(std::uint64_t number) {
  switch (number) {
    case SYS_nanosleep:
    case SYS_clock_nanosleep:
      return call(0, "sleeps");
    case SYS_sched_yield:
      return call(0, "yields");
    case SYS_poll:
    case SYS_select:
    case SYS_epoll_wait:
      return call(0, "polls");
    case SYS_ppoll:
      return call(0, "polls", -1, Rule::MaskInPpoll);
    case SYS_pselect6:
      return call(0, "polls", -1, Rule::MaskInPselect);
    case SYS_epoll_pwait:
    case SYS_epoll_pwait2:
      return call(0, "polls", -1, Rule::MaskInEpoll);
    case SYS_pause:
    case SYS_rt_sigtimedwait:
      return call(0, "waits for signals");
    case SYS_rt_sigsuspend:
      return call(kSignals, "waits for signals");
    case SYS_wait4:
    case SYS_waitid:
      return call(0, "waits for children");
    case SYS_futex: {
      Known known = call(0, "", -1, Rule::Futex);
      known.objects = 1;
      return known;
    }
    case 449:  // futex_waitv
    case 455:  // futex_wait
      return call(0, "");
    case 454:  // futex_wake
    case 456:  // futex_requeue
      return call(kReleases, "wakes");
    case SYS_read:
    case SYS_pread64:
    case SYS_readv:
    case SYS_preadv:
    case SYS_preadv2:
    case SYS_recvfrom:
    case SYS_recvmsg:
    case SYS_recvmmsg:
    case SYS_mq_timedreceive:
      return call(kReads, "reads", 0);
    case SYS_accept:
    case SYS_accept4:
      return call(kReads, "accepts connections", 0, Rule::Accept);
    case SYS_write:
    case SYS_pwrite64:
    case SYS_writev:
    case SYS_pwritev:
    case SYS_pwritev2:
    case SYS_sendto:
    case SYS_sendmsg:
    case SYS_sendmmsg:
    case SYS_mq_timedsend:
      return call(kWrites, "writes", 0);
    case SYS_connect:
      return call(kWrites, "connects", 0);
    case SYS_timerfd_settime:
      return call(kWrites, "sets a timer", 0);
    case SYS_setsockopt:
      return call(kReads | kWrites, "", 0);
    case SYS_epoll_ctl:
      return call(kWrites, "");
    case SYS_close:
    case SYS_shutdown:
      return call(kCloses, "closes descriptors", 0);
    case SYS_dup2:
    case SYS_dup3:
      return call(kCloses, "closes descriptors", 1);
    case 436:  // close_range
      return call(kCloses, "closes descriptors");
    case SYS_sendfile:
    case SYS_splice:
    case SYS_tee:
    case SYS_vmsplice:
    case SYS_copy_file_range:
      return call(kReads | kWrites, "copies");
    case SYS_fcntl:
      return call(0, "", 0, Rule::Fcntl);
    case SYS_ioctl:
      return call(0, "", 0, Rule::Ioctl);
    case SYS_flock:
      return call(kReleases | kCloses, "locks files");
    case SYS_semop:
    case SYS_semtimedop:
    case SYS_semctl:
      return call(kReleases, "changes a semaphore");
    case SYS_msgrcv:
      return call(kReads | kReleases, "receives messages");
    case SYS_msgsnd:
      return call(kWrites | kReleases, "sends messages");
    case SYS_open:
    case SYS_openat:
    case SYS_creat:
    case 437:  // openat2
    case SYS_mq_open:
      return call(kReads | kWrites, "opens files");
    case SYS_stat:
    case SYS_fstat:
    case SYS_lstat:
    case SYS_newfstatat:
    case SYS_statx:
    case SYS_access:
    case SYS_faccessat:
    case SYS_readlink:
    case SYS_readlinkat:
    case SYS_getcwd:
    case SYS_getdents64:
    case SYS_statfs:
    case SYS_fstatfs:
      return call(kReads, "looks at files");
    case SYS_exit: {
      Known known = call(kEndsThread, "ends its thread");
      known.returns = false;
      return known;
    }
    case SYS_exit_group: {
      Known known = call(kExits, "ends its process");
      known.returns = false;
      return known;
    }
    case SYS_fork:
    case SYS_vfork:
    case SYS_clone:
    case 435:  // clone3
      return call(kForks, "starts processes");
    case SYS_execve:
    case SYS_execveat:
      return call(kExecutes, "executes a program");
    case SYS_kill:
    case SYS_tkill:
    case SYS_tgkill:
    case SYS_rt_sigqueueinfo:
    case SYS_rt_tgsigqueueinfo:
    case SYS_pidfd_send_signal:
      return call(kSignals, "sends signals");
    case SYS_alarm:
    case SYS_setitimer:
    case SYS_timer_settime:
    case SYS_timer_create:
    case SYS_timer_delete:
      return call(kSignals, "sets a timer");
    case SYS_rt_sigprocmask:
      return call(0, "", -1, Rule::SignalMask);
    case SYS_mmap:
    case SYS_munmap:
    case SYS_mprotect:
    case SYS_madvise:
    case SYS_mremap:
    case SYS_msync:
    case SYS_brk:
    case SYS_mlock:
    case SYS_munlock:
    case SYS_mincore:
    case SYS_getpid:
    case SYS_gettid:
    case SYS_getppid:
    case SYS_getuid:
    case SYS_geteuid:
    case SYS_getgid:
    case SYS_getegid:
    case SYS_getpgid:
    case SYS_getpgrp:
    case SYS_getsid:
    case SYS_clock_gettime:
    case SYS_clock_getres:
    case SYS_gettimeofday:
    case SYS_time:
    case SYS_times:
    case SYS_getrusage:
    case SYS_getrlimit:
    case SYS_prlimit64:
    case SYS_sysinfo:
    case SYS_uname:
    case SYS_getrandom:
    case SYS_getcpu:
    case SYS_sched_getaffinity:
    case SYS_sched_setaffinity:
    case SYS_sched_getparam:
    case SYS_sched_getscheduler:
    case SYS_getpriority:
    case SYS_setpriority:
    case SYS_prctl:
    case SYS_arch_prctl:
    case SYS_set_robust_list:
    case SYS_set_tid_address:
    case SYS_rseq:
    case SYS_membarrier:
    case SYS_rt_sigpending:
    case SYS_timer_gettime:
    case SYS_timerfd_gettime:
    case SYS_timerfd_create:
    case SYS_socket:
    case SYS_socketpair:
    case SYS_pipe:
    case SYS_pipe2:
    case SYS_eventfd2:
    case SYS_epoll_create1:
    case SYS_memfd_create:
    case SYS_dup:
    case SYS_bind:
    case SYS_listen:
    case SYS_getsockname:
    case SYS_getpeername:
    case SYS_getsockopt:
    case SYS_lseek:
    case SYS_fsync:
    case SYS_fdatasync:
      return call(0, "");
    default:
      return call(kUnknown, "");
  }
}

}  // namespace ipcdoctor::runtime::native
