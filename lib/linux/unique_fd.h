#pragma once

#include <unistd.h>

#include <utility>

namespace ipcdoctor::linux {

/// Owns one descriptor of our own.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& from) noexcept : fd_(std::exchange(from.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& from) noexcept {
    if (this != &from) {
      reset();
      fd_ = std::exchange(from.fd_, -1);
    }
    return *this;
  }
  ~UniqueFd() { reset(); }

  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }  ///< somebody else closes it now
  bool is_open() const { return fd_ >= 0; }
  void reset() {
    if (fd_ >= 0)
      (void)::close(std::exchange(fd_, -1));  // nothing was written through it: no error to lose
  }

 private:
  int fd_ = -1;
};

}  // namespace ipcdoctor::linux
