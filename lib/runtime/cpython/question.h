#pragma once

#include <compare>
#include <cstdint>
#include <vector>

#include "snapshot/effects.h"

namespace ipcdoctor::runtime::cpython {

/// What a loop asks for again and again, while the answer stays what it is.
struct Question {
  enum class Kind : std::uint8_t {
    Child,      ///< whether the child `number` has ended; -1: any child
    Data,       ///< whether the descriptor `number` has something to read
    Semaphore,  ///< whether the sem_t at `address` was posted
    Own,        ///< what is in the process's own memory: whether a thread did something
  };
  Kind kind = Kind::Own;
  std::int64_t number = 0;
  std::uint64_t address = 0;
  friend auto operator<=>(const Question&, const Question&) = default;
};

/// A loop that does nothing but ask, until the answer to one of its questions is another.
struct Polling {
  std::vector<Question> questions;  ///< in the order in which they are asked; never empty
  snapshot::Effects meanwhile;      ///< of a round
};

}  // namespace ipcdoctor::runtime::cpython
