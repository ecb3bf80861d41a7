#include "watch/child.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "linux/unique_fd.h"

namespace ipcdoctor::watch {
namespace {

/// In the child: only calls that are safe after fork. @return never, or the errno that stopped it
int become(char* const* argv, const ChildOptions& options, pid_t parent) {
  if (options.session == Session::Own && ::setsid() < 0) return errno;
  const int fds[] = {options.in, options.out, options.err};
  for (int target = 0; target < 3; ++target) {
    if (fds[target] >= 0 && fds[target] != target && ::dup2(fds[target], target) < 0) return errno;
  }
  if (options.death_signal != 0) {
    (void)::prctl(PR_SET_PDEATHSIG, options.death_signal);
    if (::getppid() != parent) return ESRCH;  // it is too late for the signal
  }
  if (options.mask != nullptr) ::sigprocmask(SIG_SETMASK, options.mask, nullptr);
  ::execvp(argv[0], argv);
  return errno;
}

}  // namespace

Result<Pid> start_child(const std::vector<std::string>& argv, const ChildOptions& options) {
  std::vector<char*> pointers;
  for (const std::string& argument : argv) pointers.push_back(const_cast<char*>(argument.c_str()));
  pointers.push_back(nullptr);
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return Error{cause_of(errno), errno, "start " + argv[0]};
  linux::UniqueFd read_end(ends[0]);
  linux::UniqueFd write_end(ends[1]);
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) return Error{cause_of(errno), errno, "start " + argv[0]};
  if (pid == 0) {
    const int failure = become(pointers.data(), options, parent);
    (void)!::write(ends[1], &failure, sizeof failure);  // nobody to tell if even this fails
    ::_exit(127);
  }
  write_end.reset();
  int failure = 0;
  ssize_t n = 0;
  do {
    n = ::read(read_end.get(), &failure,
               sizeof failure);  // ends at exec: the pipe is close-on-exec
  } while (n < 0 && errno == EINTR);
  if (n != sizeof failure) return Pid{pid};
  (void)::waitpid(pid, nullptr, 0);  // it has exited: nothing to learn
  return Error{cause_of(failure), failure, "start " + argv[0]};
}

}  // namespace ipcdoctor::watch
