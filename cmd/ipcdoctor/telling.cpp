#include "telling.h"

#include <unistd.h>

#include <iostream>
#include <utility>

namespace ipcdoctor::cmd {

Telling::Telling(std::string what)
    : what_(std::move(what)), terminal_(::isatty(STDERR_FILENO) == 1) {}

void Telling::tick() {
  const auto passed = std::chrono::duration_cast<std::chrono::seconds>(Clock::now() - begin_);
  if (!terminal_ || passed == told_) return;
  told_ = passed;
  std::cerr << "\r" << what_ << ": " << told_.count() << " s" << std::flush;
}

void Telling::end() {
  if (told_.count() > 0) std::cerr << "\r\033[K" << std::flush;  // to the end of the line, ECMA-48
  told_ = std::chrono::seconds(0);
}

}  // namespace ipcdoctor::cmd
