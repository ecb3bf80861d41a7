#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <sstream>

#include "commands.h"
#include "embedded.h"
#include "examine.h"
#include "exit_code.h"
#include "linux/unique_fd.h"
#include "suggest.h"
#include "watch/child.h"

namespace ipcdoctor::cmd {
namespace {

namespace fs = std::filesystem;

constexpr const char* kDefaultClass = "unclosed-write-end";
constexpr std::chrono::milliseconds kReadyDeadline{20000};

/// Beside the binary in the build tree, under share/ where it was installed; "" if there are none.
fs::path programs_folder() {
  std::error_code error;
  const fs::path bin = fs::read_symlink("/proc/self/exe", error).parent_path();
  for (const fs::path& candidate : {bin / "../programs", bin / "../share/ipcdoctor/programs"}) {
    if (fs::is_directory(candidate, error)) return fs::canonical(candidate, error);
  }
  return {};
}

/// Programs for where none are beside the binary, in a folder that goes with this object.
class CarriedPrograms {
 public:
  CarriedPrograms() {
    std::string name = fs::temp_directory_path() / "ipcdoctor-demo.XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) return;
    folder_ = name;
    for (const DemoText& text : demo_texts()) std::ofstream(folder_ / text.name) << text.text;
  }
  CarriedPrograms(const CarriedPrograms&) = delete;
  CarriedPrograms& operator=(const CarriedPrograms&) = delete;
  ~CarriedPrograms() {
    std::error_code ignored;  // what stays lies in /tmp
    if (!folder_.empty()) fs::remove_all(folder_, ignored);
  }
  const fs::path& folder() const { return folder_; }

 private:
  fs::path folder_;
};

bool is_on_path(const std::string& command) {
  const char* path = std::getenv("PATH");
  std::istringstream folders(path == nullptr ? "/usr/bin:/bin" : path);
  for (std::string folder; std::getline(folders, folder, ':');) {
    if (::access((fs::path(folder) / command).c_str(), X_OK) == 0) return true;
  }
  return false;
}

std::vector<fs::path> entries(const fs::path& folder) {
  std::vector<fs::path> found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) found.push_back(entry.path());
  std::ranges::sort(found);
  return found;
}

bool is_runnable(const fs::path& path) {
  const auto extension = path.extension();
  return ::access(path.c_str(), X_OK) == 0 || extension == ".py" || extension == ".sh";
}

std::vector<std::string> command_for(const fs::path& path) {
  if (path.extension() == ".py") return {"python3", path};
  if (path.extension() == ".sh") return {"sh", path};
  return {path};
}

/// A hung program in a session of its own; it ends with this object.
class DemoProgram {
 public:
  explicit DemoProgram(Pid pid) : pid_(pid) {}
  DemoProgram(const DemoProgram&) = delete;
  DemoProgram& operator=(const DemoProgram&) = delete;
  ~DemoProgram() {
    (void)::kill(-pid_.value, SIGKILL);  // its session; gone already is as good
    (void)::waitpid(pid_.value, nullptr, 0);
  }
  Pid pid() const { return pid_; }

 private:
  Pid pid_;
};

/// Whether it says READY in time: then it hangs, or is about to.
bool becomes_ready(int fd) {
  using Clock = std::chrono::steady_clock;
  const auto deadline = Clock::now() + kReadyDeadline;
  std::string said;
  while (said.find("READY") == std::string::npos) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    pollfd ready{fd, POLLIN, 0};
    if (left <= 0 || ::poll(&ready, 1, static_cast<int>(left)) <= 0) return false;
    char buffer[256];
    const ssize_t n = ::read(fd, buffer, sizeof buffer);
    if (n <= 0) return false;
    said.append(buffer, static_cast<std::size_t>(n));
  }
  return true;
}

/// The other side of this pseudo-terminal, pts(4); -1 if there is none.
linux::UniqueFd at_which_nobody_types(int terminal) {
  const bool ready = terminal >= 0 && ::grantpt(terminal) == 0 && ::unlockpt(terminal) == 0;
  const char* name = ready ? ::ptsname(terminal) : nullptr;
  return linux::UniqueFd(name == nullptr ? -1 : ::open(name, O_RDWR | O_NOCTTY | O_CLOEXEC));
}

int demonstrate(const fs::path& program) {
  linux::UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return fail(kUsage, "no pipe for the program");
  linux::UniqueFd read_end(ends[0]);
  linux::UniqueFd write_end(ends[1]);
  const linux::UniqueFd terminal(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
  linux::UniqueFd input = at_which_nobody_types(terminal.get());
  const std::vector<std::string> argv = command_for(program);
  const Result<Pid> started =
      watch::start_child(argv, {.session = watch::Session::Own,
                                .in = input.get() < 0 ? null.get() : input.get(),
                                .out = write_end.get(),
                                .err = null.get()});
  if (!started) return fail(kUsage, words_of(started.error()));
  const DemoProgram demo(*started);
  write_end.reset();
  input.reset();
  if (!becomes_ready(read_end.get()))
    return fail(kUsage, program.string() + " did not begin to hang");
  ::usleep(200'000);  // READY is said just before the last call

  std::cout << "A program that hangs: " << program.string() << "\n$ ipcdoctor attach "
            << demo.pid().value << "\n\n"
            << std::flush;
  Result<Examination> examination = examine({demo.pid()}, {}, {}, Watching::Never);
  if (!examination) return fail(exit_code_of(examination.error()), words_of(examination.error()));
  return report_on(*examination, {});
}

/// The default demo of a binary that was installed alone.
int carried_demo() {
  const CarriedPrograms programs;
  for (const fs::path& program : entries(programs.folder())) {
    if (is_on_path(command_for(program).front())) return demonstrate(program);
  }
  return fail(kUsage, "neither python3 nor sh is there to run a program that hangs");
}

int demo(const std::string& name) {
  const fs::path folder = programs_folder();
  if (folder.empty() && name == kDefaultClass) return carried_demo();
  if (folder.empty()) {
    return fail(kUsage, std::string("this binary was installed alone and has only the demo of ") +
                            kDefaultClass);
  }
  std::string slug = name;
  std::ranges::replace(slug, '-', '_');
  if (slug.empty() || slug.find('/') != std::string::npos)
    return fail(kUsage, "not the name of a class: " + name);
  for (const fs::path& program : entries(folder / slug)) {
    if (is_runnable(program)) return demonstrate(program);
  }
  if (name == "half-open-connection")
    return fail(kUsage, name + " needs two hosts (HOSTS.md: `ipcdoctor hosts`)");
  std::vector<std::string> known;
  for (const fs::path& path : entries(folder)) {
    known.push_back(path.filename());
    std::ranges::replace(known.back(), '_', '-');
  }
  return fail(kUsage, "no demo of " + name + did_you_mean(name, known) +
                          " (`ipcdoctor probes` lists the classes)");
}

}  // namespace

void add_demo(CLI::App& app, Command& command) {
  auto name = std::make_shared<std::string>(kDefaultClass);
  CLI::App* demo_command =
      app.add_subcommand("demo", "start a bundled program that hangs, and diagnose it");
  demo_command->add_option("CLASS", *name, "of which class (unclosed-write-end)");
  demo_command->footer("\nExample: ipcdoctor demo missing-sentinel");
  demo_command->callback([name, &command] { command = [name] { return demo(*name); }; });
}

}  // namespace ipcdoctor::cmd
