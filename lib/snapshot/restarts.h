#pragma once

#include "snapshot/wait.h"

namespace ipcdoctor::snapshot {

/// Calls that return EINTR also with SA_RESTART: signal(7).
inline bool never_restarts(const Wait& wait) {
  switch (wait.kind) {
    case WaitKind::Poll:
    case WaitKind::Epoll:
    case WaitKind::SysvSem:
    case WaitKind::SysvSend:
    case WaitKind::SysvReceive:
    case WaitKind::Signal:
    case WaitKind::Sleep:
    case WaitKind::IoUring:
      return true;
    default:
      return false;
  }
}

}  // namespace ipcdoctor::snapshot
