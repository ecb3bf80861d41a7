#include "snapshot/language.h"

#include <algorithm>
#include <array>

#include "snapshot/known_programs.h"

namespace ipcdoctor::snapshot {
namespace {

constexpr std::string_view kPython = "Python", kGo = "Go", kRust = "Rust", kC = "C",
                           kShell = "shell";

constexpr std::array<std::string_view, 10> kLanguages = {kPython, kGo,    kRust, kC,     kShell,
                                                         "Java",  "Node", "PHP", "Ruby", "Perl"};

bool has_rust(const Thread& thread) {
  return thread.native && std::ranges::any_of(*thread.native, [](const Frame& frame) {
           return frame.file.ends_with(".rs");
         });
}

/// "" unless the program is known as one that runs programs of a language.
std::string_view language_of_program(const Process& process) {
  const std::string_view exe = process.exe;
  const std::string_view of_comm = interpreted_by(process.comm);
  return of_comm.empty() ? interpreted_by(exe.substr(exe.rfind('/') + 1)) : of_comm;
}

}  // namespace

std::string_view language_of(const Process& process) {
  if (!process.interpreter.version.empty()) return kPython;
  if (std::ranges::any_of(process.threads, &Thread::carries)) return kGo;
  if (const auto language = language_of_program(process); !language.empty()) return language;
  return std::ranges::any_of(process.threads, has_rust) ? kRust : kC;
}

bool is_shell(const Process& process) {
  // asked of each thread: the name first, as there may be thousands
  return language_of_program(process) == kShell && language_of(process) == kShell;
}

bool is_of_script(const Frame& frame) {
  return interpreted_by(frame.module) == kShell;
}

bool is_of_interpreter(const Frame& frame) {
  const std::string_view image = std::string_view(frame.module).substr(frame.module.rfind('/') + 1);
  return image.starts_with("python") || image.starts_with("libpython");
}

std::span<const std::string_view> languages() {
  return kLanguages;
}

}  // namespace ipcdoctor::snapshot
