#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "diagnosis/probe.h"
#include "probes/all_probes.h"
#include "snapshot/codec.h"

/// What is said of recorded programs that really hung, and of healthy ones: graph and probes
/// together, without the kernel.
namespace ipcdoctor::probes {
namespace {

namespace fs = std::filesystem;

const fs::path kFolder = IPCDOCTOR_TESTDATA "/snapshots";

template <class Tasks>
std::string pids_of(const Tasks& tasks) {
  std::set<int> pids;
  for (const auto& one : tasks) pids.insert(one.task.pid.value);
  std::string text;
  for (const int pid : pids) text += (text.empty() ? "" : ",") + std::to_string(pid);
  return text.empty() ? "-" : text;
}

/// "deadlock: proved IPC205 stuck 40 blamed 40", a line for each finding.
std::string told(const snapshot::Snapshot& snapshot) {
  const graph::WaitGraph graph(snapshot);
  const diagnosis::Diagnosis diagnosis = diagnosis::diagnose({snapshot, graph}, all_probes());
  std::string text = diagnosis::to_string(diagnosis.verdict);
  for (const diagnosis::Finding& finding : diagnosis.findings) {
    text += "; " + diagnosis::to_string(finding.verdict) + " " +
            diagnosis::to_string(finding.grade) + " " + finding.code + " stuck " +
            pids_of(finding.stuck) + " blamed " + pids_of(finding.culprits);
  }
  return text;
}

std::string all_told() {
  std::vector<fs::path> files;
  for (const auto& file : fs::recursive_directory_iterator(kFolder))
    if (file.path().extension() == ".json") files.push_back(file.path());
  std::ranges::sort(files);
  std::string text;
  for (const fs::path& path : files) {
    std::ostringstream file;
    file << std::ifstream(path).rdbuf();
    const auto all = snapshot::load_all(file.str());
    text += fs::relative(path, kFolder).replace_extension().string() + ": " +
            (all ? told(all->at(0)) : "broken: " + to_string(all.error())) + "\n";
  }
  return text;
}

TEST(Recorded, GoldenDiagnoses) {
  const std::string now = all_told();
  const fs::path golden = kFolder / "expected.txt";
  if (std::getenv("IPCDOCTOR_GOLDEN") != nullptr) std::ofstream(golden) << now;

  std::ostringstream expected;
  expected << std::ifstream(golden).rdbuf();
  EXPECT_EQ(now, expected.str()) << "if that is right: make golden, and review the diff";
  EXPECT_NE(now.find("missing_sentinel/"), std::string::npos) << "nothing was recorded";
}

/// A claim under a condition is none of a hang.
TEST(Recorded, HealthyProgramsAreNeverCalledHung) {
  std::istringstream lines(all_told());
  int healthy = 0;
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("healthy/")) continue;
    ++healthy;
    EXPECT_EQ(line.find("deadlock"), std::string::npos) << line;
    EXPECT_EQ(line.find(": stuck"), std::string::npos) << line;
    EXPECT_EQ(line.find("; stuck"), std::string::npos) << line;
  }
  EXPECT_GT(healthy, 5);
}

}  // namespace
}  // namespace ipcdoctor::probes
