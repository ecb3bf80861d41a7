// A random program of several processes and threads that share pipes, sockets, locks and children.
//
//     actor SEED BOARD [users]
//
// As root some of its processes live in PID namespaces of their own; with "users" they belong to
// two users, 12345 and 12346.
//
// Phase 1: each task takes what its part in the play says, one after the other, then makes one
// blocking call. Those whose call returns, and those whose part is to be free, sleep. Phase 2,
// begun by whoever started it: every free task, and every task that gets free now, does for the
// others all that it can: fills and drains what it has open, releases what it owns, closes, exits.
// A task whose call returns in phase 2 notes that on the board. So the kernel itself says who could
// still move, and nothing here knows how anybody would find out.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <vector>

namespace {

constexpr int kMaxTasks = 40, kMaxProcesses = 7, kLocks = 4, kSemaphores = 3, kFirstFd = 3,
              kLastFd = 120;

/// What run reads: see its struct format.
struct Row {
  std::atomic<int> pid, tid;
  std::atomic<int>
      state;  // 0 none, 1 about to block, 2 free before phase 2, 3 moved in phase 2, 4 done helping
  std::atomic<int> handled;  // a signal that the process has a handler for, 0: none
  char part[112];
};
struct Board {
  std::atomic<int> phase, tasks, turn, ready, sysv;
  Row rows[kMaxTasks];
};

struct Shared {
  pthread_mutex_t locks[kLocks];
  sem_t semaphores[kSemaphores];
};

struct Process;

struct Task {
  int row = 0;
  Process* process = nullptr;
  int number = 0;  // in its process; 0 is the main thread
  unsigned seed = 0;
  bool own_table = false;
  pthread_t thread{};
  std::vector<pthread_mutex_t*> owned;
};

/// Everybody computes the same cast from the seed; forks then play their own part.
struct Process {
  int parent = -1;
  unsigned seed = 0;
  bool sigchld = false, alarm = false, pidfds = false, locks_before_fork = false, quits = false;
  bool in_namespace = false, relay = false, is_other_user = false;
  int handler = 0, helper = 0;  // see install_handler, start_helper; 0: none
  bool restarts = false;
  std::vector<Task> tasks;
  std::vector<int> children;
  std::vector<pid_t> pids;
  pthread_mutex_t mine[2];
  sem_t semaphore;
  pthread_cond_t condition;
  pthread_mutex_t for_condition;
};

Board* board;
Shared* shared;
std::vector<Process> cast;
std::vector<std::string> files;
int sysv = -1;
int free_percent = 0;
bool two_users = false;

using Random = std::mt19937;
int below(Random& random, int n) {
  return static_cast<int>(random() % static_cast<unsigned>(n));
}

void nap(int ms) {
  const timespec time{ms / 1000, ms % 1000 * 1000000L};
  nanosleep(&time, nullptr);
}

bool is_open(int fd) {
  return fcntl(fd, F_GETFD) >= 0;
}

/// Open descriptors for which `wanted` holds, in an order of this task's own.
template <class Wanted>
std::vector<int> fds(Random& random, Wanted wanted) {
  std::vector<int> found;
  for (int fd = 0; fd < kLastFd; ++fd) {
    if ((fd == 0 || fd >= kFirstFd) && is_open(fd) && wanted(fd)) found.push_back(fd);
  }
  std::shuffle(found.begin(), found.end(), random);
  return found;
}

bool is_type(int fd, mode_t type) {
  struct stat st {};
  return fstat(fd, &st) == 0 && (st.st_mode & S_IFMT) == type;
}
int access_of(int fd) {
  return fcntl(fd, F_GETFL) & O_ACCMODE;
}
bool is_stream(int fd) {
  return is_type(fd, S_IFIFO) || is_type(fd, S_IFSOCK);
}
bool can_read(int fd) {
  return is_stream(fd) && access_of(fd) != O_WRONLY;
}
bool can_write(int fd) {
  return fd != 0 && is_stream(fd) && access_of(fd) != O_RDONLY;
}
bool is_anonymous(int fd, const char* kind) {
  char path[32], name[64] = "";
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  if (readlink(path, name, sizeof name - 1) <= 0) return false;
  // "anon_inode:[pidfd]", on later kernels "pidfd:[123]"
  return strstr(name, kind) != nullptr ||
         (strncmp(name, "pidfd:", 6) == 0 && strcmp(kind, "[pidfd]") == 0);
}

// ------------------------------------------------------------------ phase 2

/// All that one task can do for others without blocking.
void help(Task& task, bool last) {
  static char buffer[1 << 16];
  for (int fd = 0; fd < kLastFd; ++fd) {
    if ((fd != 0 && fd < kFirstFd) || !is_open(fd)) continue;
    pollfd ready{fd, POLLIN | POLLOUT, 0};
    if (is_type(fd, S_IFSOCK)) {
      send(fd, "x", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
      iovec part{buffer, sizeof buffer};
      alignas(cmsghdr) char control[512];
      msghdr message{};
      message.msg_iov = &part, message.msg_iovlen = 1, message.msg_control = control,
      message.msg_controllen = sizeof control;
      while (recvmsg(fd, &message, MSG_DONTWAIT) > 0) message.msg_controllen = sizeof control;
      if (last) shutdown(fd, SHUT_RDWR);
    } else if (is_type(fd, S_IFIFO)) {
      iovec one{const_cast<char*>("x"), 1}, all{buffer, sizeof buffer};
      if (can_write(fd) && poll(&ready, 1, 0) > 0 && (ready.revents & POLLOUT) != 0)
        pwritev2(fd, &one, 1, -1, RWF_NOWAIT);
      if (can_read(fd) && poll(&ready, 1, 0) > 0 && (ready.revents & POLLIN) != 0)
        preadv2(fd, &all, 1, -1, RWF_NOWAIT);
    } else if (is_type(fd, S_IFREG)) {
      flock(fd, LOCK_UN);
      struct flock lock {};
      lock.l_type = F_UNLCK;
      fcntl(fd, F_SETLK, &lock);
      fcntl(fd, F_OFD_SETLK, &lock);
    } else if (is_anonymous(fd, "[eventfd]")) {
      eventfd_write(fd, 1);
    }
  }
  for (pthread_mutex_t* lock : task.owned) pthread_mutex_unlock(lock);
  task.owned.clear();
  for (sem_t& semaphore : shared->semaphores) sem_post(&semaphore);
  sem_post(&task.process->semaphore);
  pthread_cond_broadcast(&task.process->condition);
  sembuf up{0, 1, IPC_NOWAIT};
  semop(sysv, &up, 1);
}

[[noreturn]] void be_free(Task& task, bool moved) {
  Row& row = board->rows[task.row];
  if (!moved) row.state = 2;
  while (board->phase < 2) nap(20);
  row.state = 3;
  for (int round = 0; round < 6; ++round) help(task, round == 5), nap(15);
  for (int fd = kFirstFd; fd < kLastFd; ++fd) close(fd);
  close(0);
  nap(30);
  row.state = 4;
  // The end of a thread helps who joins it; the end of the process, who waits for that.
  if (task.number != 0) {
    bool alone = true;
    for (const Task& other : task.process->tasks)
      alone = alone && board->rows[other.row].state >= 2;
    if (alone) pthread_exit(nullptr);
    nap(150);
  }
  nap(150);
  _exit(0);
}

// ------------------------------------------------- handlers and threads beside the tasks

volatile sig_atomic_t noted = 0;
int handler_fd = -1, helper_fd = -1;
sem_t* handler_semaphore = nullptr;
volatile unsigned beats = 0;

/// Whoever started the play sends the signal to each thread in phase 2.
void install_handler(Process& process, Random& random) {
  static void (*const kHandlers[])(int) = {
      nullptr,
      [](int) { noted = 1; },
      [](int) { (void)!write(handler_fd, "x", 1); },
      [](int) { close(handler_fd); },
      [](int) { sem_post(handler_semaphore); },
      [](int signal) {
        noted = signal;
        for (int i = 0; i < 3; ++i) beats = beats + 1;
      },
  };
  if (process.handler == 0) return;
  const std::vector<int> writable = fds(random, can_write);
  handler_fd = writable.empty() ? -1 : writable.front();
  handler_semaphore =
      below(random, 2) == 0 ? &process.semaphore : &shared->semaphores[below(random, kSemaphores)];
  struct sigaction action {};
  action.sa_handler = kHandlers[process.handler];
  action.sa_flags = process.restarts ? SA_RESTART : 0;
  sigaction(SIGUSR1, &action, nullptr);
}

void* beat(void*) {
  for (;;) {
    nap(40);
    beats = beats + 1;
  }
}
void* beat_and_write(void*) {
  for (;;) {
    nap(40);
    if (board->phase >= 2) (void)!write(helper_fd, "x", 1);
  }
}
void* beat_and_post(void*) {
  for (;;) {
    nap(40);
    if (board->phase < 2) continue;
    for (sem_t& semaphore : shared->semaphores) sem_post(&semaphore);
  }
}
void close_it(int fd) {
  close(fd);
}
void* beat_and_call(void* argument) {
  auto* call = reinterpret_cast<void (*)(int)>(argument);
  for (;;) {
    nap(40);
    if (board->phase >= 2) call(helper_fd);
  }
}
void* sleep_and_close(void*) {
  while (board->phase < 2) nap(300);
  close(helper_fd);
  return nullptr;
}

void start_helper(Process& process, Random& random) {
  static void* (*const kHelpers[])(void*) = {
      nullptr, beat, beat, beat_and_write, beat_and_post, beat_and_call, sleep_and_close};
  if (process.helper == 0) return;
  const std::vector<int> writable = fds(random, can_write);
  helper_fd = writable.empty() ? -1 : writable.front();
  pthread_t thread;
  pthread_create(&thread, nullptr, kHelpers[process.helper], reinterpret_cast<void*>(close_it));
}

/// Holds what it has, hands it over to a successor again and again, and helps at last.
[[noreturn]] void hand_over(Process& process) {
  Task helper;
  helper.process = &process;
  while (board->phase < 2) {
    nap(5);
    if (fork() > 0) _exit(0);
  }
  for (int round = 0; round < 6; ++round) help(helper, round == 5), nap(15);
  _exit(0);
}

// ------------------------------------------------------------------ phase 1

void describe(Task& task, const char* call, long what) {
  snprintf(board->rows[task.row].part, sizeof board->rows[task.row].part, "%s(%ld)", call, what);
}

void fill_pipe_end(int fd) {
  char block[4096] = {};
  while (write(fd, block, sizeof block) > 0) {
  }
}

void wait_for_any(Task& task, Random& random) {
  const std::vector<int> readable = fds(random, [](int fd) {
    return can_read(fd) || is_anonymous(fd, "[eventfd]") || is_anonymous(fd, "[pidfd]") ||
           is_anonymous(fd, "[timerfd]") || is_anonymous(fd, "[eventpoll]");
  });
  if (readable.empty()) return;
  const auto count = 1 + static_cast<std::size_t>(below(random, 3)) % readable.size();
  if (below(random, 2) == 0) {
    describe(task, "poll", static_cast<long>(count));
    std::vector<pollfd> set;
    for (std::size_t i = 0; i < std::min(count, readable.size()); ++i)
      set.push_back({readable[i], POLLIN, 0});
    poll(set.data(), set.size(), -1);
    return;
  }
  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  for (std::size_t i = 0; i < std::min(count, readable.size()); ++i) {
    epoll_event event{};
    event.events = EPOLLIN;
    epoll_ctl(epoll, EPOLL_CTL_ADD, readable[i], &event);
  }
  describe(task, "epoll_wait", epoll);
  epoll_event event{};
  epoll_wait(epoll, &event, 1, -1);
}

void block_on_file(Task& task, Random& random) {
  const int fd =
      open(files[static_cast<std::size_t>(below(random, 2))].c_str(), O_RDWR | O_CLOEXEC);
  const int kind = below(random, 4);
  if (kind == 3) {  // what it has already is not in its way
    struct flock own {};
    own.l_type = F_RDLCK;
    fcntl(fd, F_OFD_SETLK, &own);
    describe(task, "upgrade to F_WRLCK", fd);
    own.l_type = F_WRLCK;
    fcntl(fd, F_OFD_SETLKW, &own);
    return;
  }
  if (kind == 0) {
    describe(task, "flock", fd);
    flock(fd, LOCK_EX);
    return;
  }
  describe(task, kind == 1 ? "F_SETLKW" : "F_OFD_SETLKW", fd);
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = below(random, 2) == 0 ? SEEK_SET : SEEK_CUR;  // as lockf(3)
  lock.l_start = 100 * below(random, 2);
  lock.l_len = 100 * below(random, 2);
  fcntl(fd, kind == 1 ? F_SETLKW : F_OFD_SETLKW, &lock);
}

void block(Task& task, Random& random) {
  Process& process = *task.process;
  const auto pick = [&](const std::vector<int>& from) { return from.empty() ? -1 : from.front(); };
  char byte = 0;
  switch (below(random, 18)) {
    case 0:
    case 1:
    case 2: {
      const int fd = pick(fds(random, can_read));
      describe(task, "read", fd);
      if (read(fd, &byte, 1) < 0 && errno == EINTR) return;
      return;
    }
    case 3:
    case 4: {
      const int fd = pick(fds(random, can_write));
      describe(task, "write", fd);
      if (fd >= 0) fill_pipe_end(fd);
      return;
    }
    case 5:
    case 6:
      return wait_for_any(task, random);
    case 7:
    case 8: {
      const int i = below(random, kLocks);
      describe(task, "lock of the shared mutex", i);
      if (pthread_mutex_lock(&shared->locks[i]) == 0) task.owned.push_back(&shared->locks[i]);
      return;
    }
    case 9: {
      const int i = below(random, 2);
      describe(task, "lock of the private mutex", i);
      if (pthread_mutex_lock(&process.mine[i]) == 0) task.owned.push_back(&process.mine[i]);
      return;
    }
    case 10: {
      const bool own = below(random, 2) == 0;
      describe(task, own ? "private sem_wait" : "shared sem_wait", 0);
      sem_wait(own ? &process.semaphore : &shared->semaphores[below(random, kSemaphores)]);
      return;
    }
    case 11:
      return block_on_file(task, random);
    case 12:
    case 13: {
      const pid_t child = process.pids.empty() || below(random, 2) == 0 ? -1 : process.pids.front();
      describe(task, "waitpid", child);
      waitpid(child, nullptr, 0);
      return;
    }
    case 14: {
      if (process.tasks.size() < 2 || task.number == 0) return;
      const Task& other = process.tasks[static_cast<std::size_t>(task.number) - 1];
      describe(task, "pthread_join", board->rows[other.row].tid);
      if (other.number != 0) pthread_join(other.thread, nullptr);
      return;
    }
    case 15: {
      describe(task, "pthread_cond_wait", 0);
      pthread_mutex_lock(&process.for_condition);
      pthread_cond_wait(&process.condition, &process.for_condition);
      pthread_mutex_unlock(&process.for_condition);
      return;
    }
    case 16: {
      describe(task, "pause", 0);
      pause();
      return;
    }
    default: {
      describe(task, "semop", sysv);
      sembuf down{0, -1, 0};
      semop(sysv, &down, 1);
    }
  }
}

/// Sends one of its descriptors away and closes it: then it is held by a queue alone.
void send_descriptor(Random& random) {
  const std::vector<int> sockets = fds(random, [](int fd) { return is_type(fd, S_IFSOCK); });
  const std::vector<int> pipes = fds(random, can_write);
  if (sockets.empty() || pipes.empty() || pipes.front() == sockets.front()) return;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  iovec part{const_cast<char*>("f"), 1};
  msghdr message{};
  message.msg_iov = &part, message.msg_iovlen = 1, message.msg_control = control,
  message.msg_controllen = sizeof control;
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET, header->cmsg_type = SCM_RIGHTS,
  header->cmsg_len = CMSG_LEN(sizeof(int));
  memcpy(CMSG_DATA(header), &pipes.front(), sizeof(int));
  if (sendmsg(sockets.front(), &message, MSG_DONTWAIT | MSG_NOSIGNAL) > 0) close(pipes.front());
}

void take(Task& task, Random& random) {
  if (task.number == 0 || task.own_table) {
    if (task.own_table) unshare(CLONE_FILES);
    for (const int fd : fds(random, is_stream)) {
      if (fd != 0 && below(random, 100) < 55) close(fd);
    }
    if (below(random, 100) < 90) close(0);
  }
  if (below(random, 12) == 0) send_descriptor(random);
  if (below(random, 4) == 0) {
    pthread_mutex_t* lock = &shared->locks[below(random, kLocks)];
    if (pthread_mutex_trylock(lock) == 0) task.owned.push_back(lock);
  }
  if (below(random, 4) == 0) {
    pthread_mutex_t* lock = &task.process->mine[below(random, 2)];
    if (pthread_mutex_trylock(lock) == 0) task.owned.push_back(lock);
  }
  if (below(random, 4) == 0) {
    const int fd =
        open(files[static_cast<std::size_t>(below(random, 2))].c_str(), O_RDWR | O_CLOEXEC);
    struct flock lock {};
    lock.l_type = F_WRLCK;
    switch (below(random, 3)) {
      case 0:
        flock(fd, LOCK_EX | LOCK_NB);
        break;
      case 1:
        fcntl(fd, F_SETLK, &lock);
        break;
      default:
        fcntl(fd, F_OFD_SETLK, &lock);
    }
  }
}

/// As the PID namespace of /proc numbers us.
int number_in_proc(const char* link) {
  char path[64] = "";
  if (readlink(link, path, sizeof path - 1) <= 0) return 0;
  const char* last = strrchr(path, '/');
  return atoi(last == nullptr ? path : last + 1);
}

void* play(void* argument) {
  Task& task = *static_cast<Task*>(argument);
  Row& row = board->rows[task.row];
  Random random(task.seed);
  row.pid = number_in_proc("/proc/self");
  row.tid = number_in_proc("/proc/thread-self");
  row.handled = task.process->handler != 0 ? SIGUSR1 : 0;
  while (board->turn < task.row) nap(1);
  take(task, random);
  ++board->turn;
  while (board->turn < board->tasks) nap(1);
  row.state = 1;
  ++board->ready;
  const bool free = below(random, 100) < free_percent;
  if (free) {
    describe(task, "sleep", 0);
  } else if (task.process->quits && task.number == 0) {
    _exit(0);
  }
  // A call that returns at once was no wait: a few more are tried.
  for (int i = 0; i < 5 && !free && board->phase < 2; ++i) block(task, random);
  be_free(task, board->phase >= 2 && !free);
}

// ------------------------------------------------------------------ the cast

void write_cast(unsigned seed) {
  Random random(seed);
  const int processes = 1 + below(random, kMaxProcesses);
  free_percent = below(random, 10) < 6 ? 0 : 12;
  cast.resize(static_cast<std::size_t>(processes));
  int rows = 0;
  for (int i = 0; i < processes; ++i) {
    Process& process = cast[static_cast<std::size_t>(i)];
    process.parent = i == 0 ? -1 : below(random, i);
    if (i != 0 && cast[static_cast<std::size_t>(process.parent)].relay) process.parent = 0;
    process.seed = static_cast<unsigned>(random());
    process.sigchld = below(random, 6) == 0;
    process.alarm = below(random, 10) == 0;
    process.pidfds = below(random, 6) == 0;
    process.locks_before_fork = below(random, 6) == 0;
    process.quits = i != 0 && below(random, 8) == 0;
    process.in_namespace = i != 0 && geteuid() == 0 && below(random, 10) == 0;
    process.relay = i != 0 && below(random, 25) == 0;
    process.is_other_user = i != 0 && below(random, 3) == 0;
    process.handler = below(random, 4) == 0 ? 1 + below(random, 5) : 0;
    process.restarts = below(random, 2) == 0;
    process.helper = below(random, 4) == 0 ? 1 + below(random, 6) : 0;
    if (i != 0) cast[static_cast<std::size_t>(process.parent)].children.push_back(i);
    if (process.relay) continue;
    const int threads = below(random, 2) == 0 ? 1 : 1 + below(random, 3);
    for (int t = 0; t < threads; ++t) {
      Task task;
      task.row = rows++;
      task.number = t;
      task.seed = static_cast<unsigned>(random());
      task.own_table = t != 0 && below(random, 8) == 0;
      process.tasks.push_back(task);
    }
  }
  board->tasks = rows;
}

/// Two sockets that are connected over the loopback interface.
void make_tcp_pair() {
  const int listener = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (bind(listener, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
      listen(listener, 1) == 0 &&
      getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) == 0 &&
      connect(client, reinterpret_cast<sockaddr*>(&address), size) == 0) {
    (void)accept(listener, nullptr, nullptr);
  }
  close(listener);
}

void make_resources(unsigned seed) {
  Random random(seed + 1);
  const int pipes = 1 + below(random, 4), sockets = below(random, 3), events = below(random, 2);
  for (int i = 0; i < pipes; ++i) {
    int ends[2];
    if (pipe(ends) == 0) fcntl(ends[0], F_SETPIPE_SZ, 4096);
  }
  for (int i = 0; i < sockets; ++i) {
    int ends[2];
    (void)socketpair(AF_UNIX, below(random, 2) == 0 ? SOCK_STREAM : SOCK_SEQPACKET, 0, ends);
  }
  if (events != 0) eventfd(0, 0);
  if (below(random, 4) == 0) {
    int ends[2];
    (void)socketpair(AF_UNIX, SOCK_DGRAM, 0, ends);
  }
  if (below(random, 4) == 0) make_tcp_pair();
  if (below(random, 5) == 0) (void)open(files[2].c_str(), O_RDWR);
  if (below(random, 6) == 0) {
    const int timer = timerfd_create(CLOCK_MONOTONIC, 0);
    const itimerspec never{}, late{{0, 0}, {3600, 0}};
    timerfd_settime(timer, 0, below(random, 2) == 0 ? &never : &late, nullptr);
  }
  board->sysv = sysv = semget(IPC_PRIVATE, 1, 0600);
  shared = static_cast<Shared*>(
      mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  for (int i = 0; i < kLocks; ++i) {
    pthread_mutexattr_t kind;
    pthread_mutexattr_init(&kind);
    pthread_mutexattr_setpshared(&kind, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_settype(&kind, i == 1 ? PTHREAD_MUTEX_RECURSIVE : PTHREAD_MUTEX_NORMAL);
    if (i == 2) pthread_mutexattr_setrobust(&kind, PTHREAD_MUTEX_ROBUST);
    if (i == 3) pthread_mutexattr_setprotocol(&kind, PTHREAD_PRIO_INHERIT);
    pthread_mutex_init(&shared->locks[i], &kind);
  }
  for (sem_t& semaphore : shared->semaphores) sem_init(&semaphore, 1, 0);
}

void enter(int number) {
  Process& process = cast[static_cast<std::size_t>(number)];
  Random random(process.seed);
  for (pthread_mutex_t& lock : process.mine) {
    const bool is_copy =
        process.parent >= 0 && cast[static_cast<std::size_t>(process.parent)].locks_before_fork;
    if (is_copy) {
      lock = cast[static_cast<std::size_t>(process.parent)]
                 .mine[0];  // locked by a thread of another process
    } else {
      pthread_mutex_init(&lock, nullptr);
    }
  }
  pthread_mutex_init(&process.for_condition, nullptr);
  pthread_cond_init(&process.condition, nullptr);
  sem_init(&process.semaphore, 0, 0);
  if (process.sigchld) {
    struct sigaction action {};
    action.sa_handler = [](int) {};
    sigaction(SIGCHLD, &action, nullptr);
  } else {
    signal(SIGCHLD, SIG_DFL);
  }
  if (process.alarm) {
    // Some time in phase 2, if the tool is not too slow; else the task has moved before and is
    // free.
    struct sigaction action {};
    action.sa_handler = [](int) {};
    sigaction(SIGALRM, &action, nullptr);
  }
  if (process.locks_before_fork) {
    pthread_mutex_lock(&process.mine[0]);
    process.tasks[0].owned.push_back(&process.mine[0]);
  }
  if (process.relay) hand_over(process);
  for (const int child : process.children) {
    if (cast[static_cast<std::size_t>(child)].in_namespace) unshare(CLONE_NEWPID);
    const pid_t pid = fork();
    if (pid == 0) return enter(child);
    process.pids.push_back(pid);
    if (process.pidfds) syscall(SYS_pidfd_open, pid, 0);
  }
  if (process.alarm) {
    const itimerval once{{0, 0}, {1, 500000}};
    setitimer(ITIMER_REAL, &once, nullptr);
  }
  if (two_users) {
    const uid_t user = process.is_other_user ? 12346 : 12345;
    if (setresgid(user, user, user) != 0 || setresuid(user, user, user) != 0) _exit(2);
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
  }
  for (Task& task : process.tasks) task.process = &process;
  install_handler(process, random);
  start_helper(process, random);
  for (std::size_t i = 0; i < process.tasks.size(); ++i) {
    if (i == 0) continue;
    pthread_create(&process.tasks[i].thread, nullptr, play, &process.tasks[i]);
  }
  play(&process.tasks[0]);
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 3) return 2;
  two_users = count > 3;
  signal(SIGPIPE, SIG_IGN);
  umask(0);
  const int fd = open(arguments[2], O_RDWR);
  board =
      static_cast<Board*>(mmap(nullptr, sizeof(Board), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
  close(fd);
  if (board == MAP_FAILED) return 2;
  for (const char* name : {".a", ".b", ".fifo"}) files.push_back(std::string(arguments[2]) + name);
  for (int i = 0; i < 2; ++i)
    close(open(files[static_cast<std::size_t>(i)].c_str(), O_RDWR | O_CREAT, 0666));
  mkfifo(files[2].c_str(), 0666);
  const auto seed = static_cast<unsigned>(std::strtoul(arguments[1], nullptr, 10));
  write_cast(seed);
  make_resources(seed);
  enter(0);
}
