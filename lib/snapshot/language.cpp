#include "snapshot/language.h"

#include <algorithm>
#include <array>

namespace ipcdoctor::snapshot {
namespace {

constexpr std::string_view kPython = "Python", kGo = "Go", kRust = "Rust", kC = "C",
                           kShell = "shell";

struct Interpreter {
  std::string_view name;  ///< perhaps with a version behind: "php8.2"
  std::string_view language;
};

constexpr Interpreter kInterpreters[] = {
    {"sh", kShell},     {"bash", kShell},   {"dash", kShell}, {"zsh", kShell},
    {"ksh", kShell},    {"mksh", kShell},   {"fish", kShell}, {"ash", kShell},
    {"java", "Java"},   {"nodejs", "Node"}, {"node", "Node"}, {"php", "PHP"},
    {"php-fpm", "PHP"}, {"php-cgi", "PHP"}, {"ruby", "Ruby"}, {"perl", "Perl"},
};

constexpr std::array<std::string_view, 10> kLanguages = {kPython, kGo,    kRust, kC,     kShell,
                                                         "Java",  "Node", "PHP", "Ruby", "Perl"};

std::string_view interpreted(std::string_view program) {
  program = program.substr(0, program.find_last_not_of("0123456789.") + 1);
  const auto* found = std::ranges::find(kInterpreters, program, &Interpreter::name);
  return found == std::end(kInterpreters) ? "" : found->language;
}

bool has_rust(const Thread& thread) {
  return thread.native && std::ranges::any_of(*thread.native, [](const Frame& frame) {
           return frame.file.ends_with(".rs");
         });
}

}  // namespace

std::string_view language_of(const Process& process) {
  if (!process.python.version.empty()) return kPython;
  if (std::ranges::any_of(process.threads, &Thread::carries)) return kGo;
  const std::string_view exe = process.exe;
  for (const std::string_view program :
       {std::string_view(process.comm), exe.substr(exe.rfind('/') + 1)})
    if (const std::string_view language = interpreted(program); !language.empty()) return language;
  return std::ranges::any_of(process.threads, has_rust) ? kRust : kC;
}

bool is_shell(const Process& process) {
  return language_of(process) == kShell;
}

std::span<const std::string_view> languages() {
  return kLanguages;
}

}  // namespace ipcdoctor::snapshot
