#include "linux/broker.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <string_view>
#include <thread>
#include <utility>

#include "linux/fd_message.h"
#include "linux/one_record.h"

namespace ipcdoctor::linux {
namespace {

enum class Wish : int { Open, Read, Copy };

struct Request {
  Wish wish = Wish::Open;
  int fd = -1;  ///< Copy
  char name[64] = {};
};

struct Reply {
  int error = 0;
  std::size_t size = 0;
  char text[512] = {};
};

int side_of_helper = -1;  // in the helper, where it has an ancestor to ask

/// Answers one request; the file that goes with it is closed at once.
void answer(int socket, const Request& request, const UniqueFd& of) {
  Reply reply;
  UniqueFd file;
  const std::string_view name(request.name, ::strnlen(request.name, sizeof request.name - 1));
  errno = EINVAL;
  if (request.wish == Wish::Copy) {
    file = UniqueFd(static_cast<int>(::syscall(SYS_pidfd_getfd, of.get(), request.fd, 0)));
  } else if (request.wish == Wish::Open ? name == "mem"
                                        : name.ends_with("syscall") && !name.starts_with('/') &&
                                              name.find("..") == name.npos) {
    file = UniqueFd(::openat(of.get(), std::string(name).c_str(), O_RDONLY | O_CLOEXEC));
  }
  if (!file.is_open()) reply.error = errno;
  if (file.is_open() && request.wish == Wish::Read) {
    const ssize_t n = read_one_record(file.get(), reply.text, sizeof reply.text);
    if (n < 0) reply.error = errno;
    reply.size = static_cast<std::size_t>(std::max<ssize_t>(n, 0));
    file.reset();
  }
  (void)send_message(socket, bytes_of(reply), {}, file.get());
}

Result<Reply> ask(const Request& request, int of, UniqueFd& file, const std::string& what) {
  if (side_of_helper < 0) return Error{Cause::Denied, EACCES, what};
  Reply reply;
  const bool answered = send_message(side_of_helper, bytes_of(request), {}, of) &&
                        receive_message(side_of_helper, &reply, sizeof reply, file) == sizeof reply;
  if (!answered) return Error{Cause::Denied, EACCES, what};
  if (reply.error != 0) return Error{cause_of(reply.error), reply.error, what};
  return reply;
}

Request named(Wish wish, const std::string& name) {
  Request request;
  request.wish = wish;
  name.copy(request.name, sizeof request.name - 1);
  return request;
}

Result<UniqueFd> ask_for_file(const Request& request, int of, const std::string& what) {
  UniqueFd file;
  const Result<Reply> reply = ask(request, of, file, what);
  if (!reply) return reply.error();
  if (!file.is_open()) return Error{Cause::Denied, EACCES, what};
  return file;
}

}  // namespace

Result<Broker> Broker::make() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
    return Error{cause_of(errno), errno, "make a pair of sockets"};
  Broker broker;
  broker.ancestor_ = UniqueFd(ends[0]);
  broker.helper_ = UniqueFd(ends[1]);
  return broker;
}

void Broker::serve() {
  helper_.reset();
  sigset_t all, before;
  ::sigfillset(&all);
  (void)::pthread_sigmask(SIG_BLOCK, &all, &before);  // signals are for the other threads
  std::thread([socket = std::move(ancestor_)] {
    Request request;
    UniqueFd of;
    while (receive_message(socket.get(), &request, sizeof request, of) == sizeof request) {
      answer(socket.get(), request, of);
      of.reset();
    }
  }).detach();  // a target may block it for good; it ends with the helper else
  (void)::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void Broker::use(int side) {
  side_of_helper = side;
}

Result<UniqueFd> ask_to_open(int dir, const std::string& name) {
  return ask_for_file(named(Wish::Open, name), dir, "open " + name);
}

Result<std::string> ask_to_read(int dir, const std::string& name) {
  UniqueFd none;
  const Result<Reply> reply = ask(named(Wish::Read, name), dir, none, "read " + name);
  if (!reply) return reply.error();
  return std::string(reply->text, std::min(reply->size, sizeof reply->text));
}

Result<UniqueFd> ask_to_copy(int pidfd, int fd) {
  Request request;
  request.wish = Wish::Copy;
  request.fd = fd;
  return ask_for_file(request, pidfd, "pidfd_getfd " + std::to_string(fd));
}

}  // namespace ipcdoctor::linux
