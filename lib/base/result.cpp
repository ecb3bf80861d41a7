#include "base/result.h"

#include <cerrno>
#include <cstring>

namespace ipcdoctor {

Cause cause_of(int errno_value) {
  switch (errno_value) {
    case ENOENT:
    case ESRCH:
      return Cause::Gone;
    case EACCES:
    case EPERM:
      return Cause::Denied;
    case ENOSYS:
    case EOPNOTSUPP:
      return Cause::Unsupported;
    case ETIMEDOUT:
      return Cause::TimedOut;
    case EMFILE:
    case ENFILE:
    case ENOMEM:
      return Cause::Limit;
    default:
      return Cause::Other;
  }
}

std::string to_string(const Error& error) {
  static constexpr const char* kWords[] = {"not read",     "gone",      "permission denied",
                                           "unsupported",  "malformed", "timed out",
                                           "over a limit", "failed"};
  const std::string reason = error.number != 0 ? std::strerror(error.number)
                                               : kWords[static_cast<std::size_t>(error.cause)];
  return error.what.empty() ? reason : error.what + ": " + reason;
}

}  // namespace ipcdoctor
