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

}  // namespace

std::string_view language_of(const Process& process) {
  if (!process.interpreter.version.empty()) return kPython;
  if (std::ranges::any_of(process.threads, &Thread::carries)) return kGo;
  const std::string_view exe = process.exe;
  for (const std::string_view program :
       {std::string_view(process.comm), exe.substr(exe.rfind('/') + 1)})
    if (const std::string_view language = interpreted_by(program); !language.empty())
      return language;
  return std::ranges::any_of(process.threads, has_rust) ? kRust : kC;
}

bool is_shell(const Process& process) {
  return language_of(process) == kShell;
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
