#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>

/// The rules that no compiler checks: which folder may include which, and that a class has all its
/// parts.
namespace {

namespace fs = std::filesystem;
using Folders = std::set<std::string>;

const fs::path kRoot = IPCDOCTOR_SOURCE;

const std::map<std::string, Folders> kMayInclude = {
    {"base", {}},
    {"linux", {"base"}},
    {"snapshot", {"base"}},
    {"graph", {"snapshot", "base"}},
    {"diagnosis", {"graph", "snapshot", "base"}},
    {"report", {"diagnosis", "graph", "snapshot", "base"}},
    {"probes", {"diagnosis", "graph", "snapshot", "base"}},
    {"unwind", {"snapshot", "linux", "base"}},
    {"runtime", {"unwind", "linux", "snapshot", "base"}},
    {"collect", {"runtime", "unwind", "linux", "snapshot", "base"}},
    {"watch", {"collect", "diagnosis", "graph", "snapshot", "linux", "base"}},
    {"cmd",
     {"base", "linux", "snapshot", "graph", "diagnosis", "report", "probes", "unwind", "runtime",
      "collect", "watch"}},
};

/// Libraries of others, and the only folders that know them.
const std::map<std::string, Folders> kKnownTo = {
    {"CLI/", {"cmd"}},           {"nlohmann/", {"snapshot", "report", "cmd"}},
    {"sys/ptrace.h", {"linux"}}, {"libunwind", {"unwind"}},
    {"capstone/", {"runtime"}},
};

std::string read(const fs::path& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::vector<fs::path> sources(const std::string& top) {
  std::vector<fs::path> found;
  for (const auto& entry : fs::recursive_directory_iterator(kRoot / top)) {
    if (entry.path().extension() == ".cpp" || entry.path().extension() == ".h")
      found.push_back(entry.path());
  }
  return found;
}

/// "lib/report/json.cpp" belongs to report, "probes/x/probe.cpp" to probes.
std::string folder_of(const fs::path& path) {
  const fs::path relative = fs::relative(path, kRoot);
  auto part = relative.begin();
  return *part == "lib" ? *++part : *part;
}

std::vector<std::string> includes(const std::string& text) {
  static const std::regex kInclude(R"re((?:^|\n)\s*#\s*include\s+["<]([^">]+)[">])re");
  std::vector<std::string> found;
  for (auto it = std::sregex_iterator(text.begin(), text.end(), kInclude);
       it != std::sregex_iterator(); ++it) {
    found.push_back((*it)[1]);
  }
  return found;
}

bool is_test(const fs::path& path) {
  return path.filename().string().ends_with("_test.cpp");
}

TEST(Layering, EachFolderIncludesOnlyWhatTheTableAllows) {
  std::size_t files = 0;
  for (const std::string top : {"lib", "cmd", "probes"}) {
    for (const fs::path& path : sources(top)) {
      if (path.parent_path() == kRoot / "lib") continue;                   // this test
      if (path.filename().string().ends_with("_benchmark.cpp")) continue;  // measures the whole
      ++files;
      const std::string folder = folder_of(path);
      ASSERT_TRUE(kMayInclude.contains(folder))
          << path << " is in a folder that the table does not know";
      for (const std::string& include : includes(read(path))) {
        const std::string target = include.substr(0, include.find('/'));
        if (!kMayInclude.contains(target) || target == folder ||
            include.find('/') == std::string::npos)
          continue;
        // hand-made snapshots say of calls what their runtime says
        if (path.filename() == "testing.h" && include == "runtime/cpython/library_words.h")
          continue;
        // <linux/futex.h> and its kin are the kernel's; ours exist under lib/
        if (target == "linux" && !fs::exists(kRoot / "lib" / include)) continue;
        EXPECT_TRUE(kMayInclude.at(folder).contains(target)) << path << " includes " << include;
      }
    }
  }
  EXPECT_GT(files, 50U);
}

TEST(Layering, LibrariesOfOthersAreKnownOnlyWhereTheyBelong) {
  for (const std::string top : {"lib", "cmd", "probes"}) {
    for (const fs::path& path : sources(top)) {
      if (is_test(path)) continue;
      for (const std::string& include : includes(read(path))) {
        for (const auto& [library, folders] : kKnownTo) {
          if (!include.starts_with(library)) continue;
          EXPECT_TRUE(folders.contains(folder_of(path))) << path << " includes " << include;
        }
      }
    }
  }
}

TEST(Layering, LibrariesAndProbesNeverPrint) {
  static const std::regex kPrints(
      R"(\bstd::(cout|cerr|clog|printf|puts)\b|\bfprintf\s*\(|\bperror\s*\()");
  for (const std::string top : {"lib", "probes"}) {
    for (const fs::path& path : sources(top)) {
      if (is_test(path)) continue;
      const std::string text = read(path);
      EXPECT_FALSE(std::regex_search(text, kPrints)) << path;
    }
  }
}

/// The code of those folders of lib, or the probes, without tests.
std::string code_of(const Folders& folders) {
  std::string code;
  for (const std::string top : {"lib", "probes"})
    for (const fs::path& path : sources(top))
      if (!is_test(path) && folders.contains(folder_of(path))) code += read(path);
  return code;
}

/// What is known of a lock or of an object of a library, somebody must have read of a process, and
/// somebody must want it.
TEST(Layering, EachFactIsWrittenByARuntimeAndReadByARule) {
  static const std::regex kList(R"(enum class (LockNumber|Number|Text|End) \{([^}]*)\})");
  static const std::regex kComment("///[^\n]*"), kKey(R"(\w+)");
  static const std::regex kWrite(
      R"((set\(|put\w*(<[^>]*>)?\(out,\s+|\{)(snapshot::)?(LockNumber|Number|Text|End)::\w+,)");
  const std::string facts = read(kRoot / "lib/snapshot/facts.h");
  const std::string writers = code_of({"runtime", "collect"});
  const std::string readers = std::regex_replace(
      writers + code_of({"graph", "diagnosis", "probes"}) + read(kRoot / "lib/snapshot/copies.cpp"),
      kWrite, "");
  const auto stands_in = [](const std::string& code, const std::string& name) {
    return std::regex_search(code, std::regex("\\b" + name + "\\b"));
  };
  std::size_t keys = 0;
  for (std::sregex_iterator list(facts.begin(), facts.end(), kList), end; list != end; ++list) {
    const std::string body = std::regex_replace((*list)[2].str(), kComment, "");
    for (std::sregex_iterator key(body.begin(), body.end(), kKey); key != end; ++key, ++keys) {
      const std::string name = (*list)[1].str() + "::" + key->str();
      EXPECT_TRUE(stands_in(writers, name)) << name << " is written by nobody";
      EXPECT_TRUE(stands_in(readers, name)) << name << " is read by nobody";
    }
  }
  EXPECT_GT(keys, 50U);
}

/// Which language a wait is of, the snapshot tells, and what to do about it the page of its class:
/// no rule names one, nor a library. Lines of code that do, which only become fewer. Comments may.
const std::map<std::string, int> kStillNamed = {
    // Members and values of the report's JSON.
    {"lib/report/json.cpp", 2},
    {"lib/report/words.cpp", 1},
};

/// As a word of its own, or part of one behind an underscore.
bool names(std::string_view line, std::string_view word) {
  const auto is_letter = [&](std::size_t at) {
    return at < line.size() && std::isalpha(static_cast<unsigned char>(line[at])) != 0;
  };
  for (std::size_t at = line.find(word); at != line.npos; at = line.find(word, at + 1))
    if ((at == 0 || !is_letter(at - 1)) && !is_letter(at + word.size())) return true;
  return false;
}

TEST(Layering, RulesAndReportsNameNoLanguageAndNoLibrary) {
  static constexpr std::string_view kNames[] = {"Python",
                                                "python",
                                                "libpython",
                                                "Go",
                                                "goroutine",
                                                "Java",
                                                "java",
                                                "JVM",
                                                "Rust",
                                                "Ruby",
                                                "ruby",
                                                "PHP",
                                                "php",
                                                "Perl",
                                                "perl",
                                                "asyncio",
                                                "multiprocessing",
                                                "subprocess",
                                                "threading",
                                                "concurrent",
                                                "socketserver",
                                                "tokio",
                                                "mpsc",
                                                "libuv",
                                                "OpenMP",
                                                "libgomp",
                                                "libomp",
                                                "libiomp",
                                                "bash",
                                                "dash",
                                                "zsh",
                                                "os/exec",
                                                "sync.WaitGroup",
                                                "queue.Queue",
                                                "queue.SimpleQueue",
                                                "std::future",
                                                "std::promise",
                                                "std::packaged_task",
                                                "std::counting_semaphore",
                                                "Executor",
                                                "ThreadPoolExecutor",
                                                "ProcessPoolExecutor",
                                                "Pool.get",
                                                "Pool.join"};
  std::map<std::string, int> named;
  for (const std::string top : {"lib/graph", "lib/diagnosis", "lib/report", "probes"}) {
    for (const fs::path& path : sources(top)) {
      const std::string name = fs::relative(path, kRoot);
      if (is_test(path) || name.ends_with("_benchmark.cpp") || name.ends_with("_for_tests.h"))
        continue;
      std::istringstream code(read(path));
      for (std::string line; std::getline(code, line);) {
        line.resize(std::min(line.find("//"), line.size()));
        if (line.starts_with('#')) continue;
        if (std::ranges::any_of(kNames, [&](std::string_view word) { return names(line, word); }))
          ++named[name];
      }
    }
  }
  for (const auto& [name, lines] : named) {
    const auto known = kStillNamed.find(name);
    EXPECT_LE(lines, known == kStillNamed.end() ? 0 : known->second)
        << name << ": a page's item, an operation or a fact of the snapshot says it instead";
  }
  for (const auto& [name, lines] : kStillNamed)
    EXPECT_EQ(named[name], lines) << name << ": lower the number in kStillNamed";
}

struct ProbeFolder {
  fs::path path;
  std::string slug;
};

std::vector<ProbeFolder> probe_folders() {
  std::vector<ProbeFolder> found;
  for (const auto& entry : fs::directory_iterator(kRoot / "probes")) {
    if (!entry.is_directory() || entry.path().filename() == "internal") continue;
    std::string slug = entry.path().filename();
    std::ranges::replace(slug, '_', '-');
    found.push_back({entry.path(), slug});
  }
  return found;
}

TEST(Probes, EachFolderHasPageProbeAndTest) {
  EXPECT_GT(probe_folders().size(), 0U);
  for (const ProbeFolder& probe : probe_folders()) {
    for (const char* file : {"README.md", "probe.cpp", "probe_test.cpp"}) {
      EXPECT_TRUE(fs::exists(probe.path / file)) << probe.path / file;
    }
  }
}

TEST(Probes, EachPageHasTheFiveHeadings) {
  for (const ProbeFolder& probe : probe_folders()) {
    const std::string page = read(probe.path / "README.md");
    for (const char* heading : {"# ", "## What it means", "## Example", "## How it is detected",
                                "## When it is wrong", "## What to do"}) {
      EXPECT_NE(page.find(heading), std::string::npos) << probe.slug << " lacks " << heading;
    }
  }
}

TEST(Probes, EachIsInTheTableAndTheTableHasNoOther) {
  const std::string table = read(kRoot / "probes/all_probes.cpp");
  std::string all;
  for (const ProbeFolder& probe : probe_folders()) {
    const std::string source = read(probe.path / "probe.cpp");
    static const std::regex kDefinition(
        R"re(const (?:diagnosis::)?Probe (k\w+)\s*\{\s*"(IPC\d{3})",\s*"([a-z-]+)")re");
    std::smatch definition;
    ASSERT_TRUE(std::regex_search(source, definition, kDefinition)) << probe.slug;
    EXPECT_EQ(definition[3], probe.slug);
    EXPECT_THAT(table, testing::HasSubstr("&" + definition[1].str())) << probe.slug;
  }
  const auto entries = std::count(table.begin(), table.end(), '&');
  EXPECT_EQ(static_cast<std::size_t>(entries), probe_folders().size());
}

TEST(Probes, EachHasItsEntryInTheManPage) {
  const std::string page = read(kRoot / "man/ipcdoctor-probes.7");
  for (const ProbeFolder& probe : probe_folders()) {
    std::string heading = ".SH " + probe.slug;
    std::ranges::transform(heading, heading.begin(),
                           [](unsigned char c) { return c == '-' ? ' ' : std::toupper(c); });
    EXPECT_NE(page.find(heading + "\n"), std::string::npos) << probe.slug << ": run `make man`";
  }
}

}  // namespace
