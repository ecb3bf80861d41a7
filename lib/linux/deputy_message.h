#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "linux/deputy.h"

namespace ipcdoctor::linux::deputy {

/// What is asked; a path may follow.
struct Question {
  Wish wish{};
  std::int64_t numbers[5] = {};
};

/// What is answered. Bytes lie in the window.
struct Reply {
  std::int64_t result = 0;
  Cause cause = Cause::NotRead;  ///< of an Error whose text lies in the window
  int error = 0;                 ///< errno
  std::uint64_t size = 0;        ///< of the bytes
};

/// Of each file that ReadMany brought, before its bytes.
struct Piece {
  std::int32_t error = 0;
  std::uint32_t size = 0;
};

/// Memory of both: the answer's bytes, or those of a question.
constexpr std::size_t kWindow = 4 << 20;

/// Memory of both for the pages of processes.
constexpr std::size_t kPage = 4096, kSlab = kMostPages * kPage;

/// @param slab  where the pages come one after the other, those of the first process first
/// @param came  for each of them, 1 if it did
void fetch_into(std::byte* slab, std::span<const int> pids, std::span<const std::uint64_t> pages,
                std::uint8_t* came);

/// The deputy's life: answers until the other side of the socket is closed.
[[noreturn]] void serve(int socket, std::byte* window, std::byte* slab);

}  // namespace ipcdoctor::linux::deputy
