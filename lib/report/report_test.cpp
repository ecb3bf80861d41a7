#include "report/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>

#include "report/diagram.h"
#include "report/layout.h"
#include "report/markup.h"
#include "report/stacks.h"
#include "report/tree.h"
#include "snapshot/renumber.h"
#include "snapshot/testing.h"

namespace ipcdoctor::report {
namespace {

using nlohmann::json;
using snapshot::Access;
using snapshot::testing::Builder;
using snapshot::testing::task;
using ::testing::HasSubstr;
using ::testing::Not;

/// Names as a hostile target has them, had they not been escaped when they were collected.
constexpr const char* kHostile = "\x1b[31m<script>\"'&\n::error::x %\xff --> ]]>";

snapshot::Snapshot two_processes(const std::string& comm) {
  Builder b;
  b.process(40).comm(comm).thread().waits_for_child(42).at("/src/app.py", 17, "main");
  b.process(42).comm(comm).child_of(40).fd(3, snapshot::testing::pipe(7), Access::Write);
  b.process(42)
      .fd(4, snapshot::testing::pipe(7), Access::Read)
      .thread()
      .reads(4)
      .at("/src/app.py", 9, "consumer");
  b.raw().elapsed_ms = 9;
  b.raw().kernel = "6.1.0";
  b.raw().unseen.push_back({Pid{40}, Tid{40}, Error{Cause::Denied, 13, "read /proc/40/mem"}});
  return b.build();
}

diagnosis::Diagnosis one_finding(const std::string& title) {
  diagnosis::Finding f;
  f.code = "IPC101";
  f.slug = "unclosed-write-end";
  f.also = {"missing-sentinel"};
  f.verdict = diagnosis::Verdict::Deadlock;
  f.grade = diagnosis::Grade::Proved;
  f.title = title;
  f.explanation = "Nobody else has the write end.";
  f.fix = "close c1 in consumer() before the first recv()\nor send one sentinel: c1.send(None)";
  f.stuck = {{task(42), "app.py:9", "consumer", "data or EOF on pipe:[7]"},
             {task(40), "app.py:17", "main", "the exit of 42"}};
  f.culprits = {{task(40), 3, "app.py:17", "main", "holds the write end", false}};
  f.chain = {{task(40), task(42), "child-exit", "wait4(42)"},
             {task(42), task(40), "pipe-write-end", "fd 3"}};
  f.evidence = {{"read(4) on pipe:[7]", "/proc/42/syscall"}};
  f.repairs = {{{{graph::Event::Kind::Closes, {Pid{42}, Tid{0}}, 3}},
                "fd 3 closed in python3[42]",
                {task(42), task(40)},
                2,
                true}};
  return {diagnosis::Verdict::Deadlock, {f}, {}};
}

struct Case {
  snapshot::Snapshot snapshot;
  graph::WaitGraph graph;
  diagnosis::Diagnosis diagnosis;
  explicit Case(const std::string& comm = "python3",
                const std::string& title = "consumer waits for EOF that cannot come")
      : snapshot(two_processes(comm)), graph(snapshot), diagnosis(one_finding(title)) {}
  Report report() const { return {snapshot, graph, diagnosis, "/src"}; }
};

template <class Write>
std::string written(const Case& c, Write write) {
  std::ostringstream out;
  write(out, c.report());
  return out.str();
}

std::string text_of(const Case& c, TextOptions options = {}) {
  return written(
      c, [&](std::ostream& out, const Report& report) { write_text(out, report, options); });
}

std::string golden(const std::string& name, const std::string& text) {
  const std::string path = IPCDOCTOR_TESTDATA "/reports/" + name;
  if (const char* mode = std::getenv("IPCDOCTOR_GOLDEN"); mode != nullptr)
    std::ofstream(path) << text;
  std::ifstream file(path);
  std::ostringstream expected;
  expected << file.rdbuf();
  return expected.str();
}

TEST(Golden, TextSaysVerdictCulpritsAndFixInTheFirstLines) {
  const std::string text = text_of(Case());

  EXPECT_EQ(text, golden("deadlock.txt", text));
}

/// A hang of each of several hosts, as they are joined.
void spread_over_hosts(Case& c, int hosts) {
  const diagnosis::Finding finding = c.diagnosis.findings.front();
  c.diagnosis.findings.clear();
  for (int i = 0; i < hosts; ++i) {
    snapshot::Host host;
    host.name = "node" + std::to_string(i);
    host.first = snapshot::kFirstJoined + 10 * i;
    host.numbers = {40, 42};
    c.snapshot.hosts.push_back(host);
    c.diagnosis.findings.push_back(finding);
    for (diagnosis::StuckTask& stuck : c.diagnosis.findings.back().stuck)
      stuck.task.pid = Pid{host.first};
  }
}

TEST(Text, TellsOnceWhatHappensOnManyHosts) {
  Case c;
  spread_over_hosts(c, 1000);

  const std::string text = text_of(c);

  EXPECT_LE(std::ranges::count(text, '\n'), 40);
  EXPECT_THAT(text, HasSubstr("on 1000 hosts: node0, node1, node2, node3 and 996 more"));
  EXPECT_GT(std::ranges::count(text_of(c, {.stacks = true}), '\n'), 1000);
}

TEST(Text, TellsOnceWhatHappensInEachWorkerOfAPool) {
  Case c;
  const diagnosis::Finding finding = c.diagnosis.findings.front();
  for (int i = 1; i < 64; ++i) {
    c.diagnosis.findings.push_back(finding);
    c.diagnosis.findings.back().stuck.front().task.pid = Pid{1000 + i};
  }
  c.diagnosis.findings.push_back(finding);
  c.diagnosis.findings.back().culprits.front().where = "elsewhere.c:1";

  const std::string text = text_of(c);

  EXPECT_THAT(text, HasSubstr("  64 times, in "));
  EXPECT_THAT(text, HasSubstr(" and 60\n    more (-v shows all)\n"));
  EXPECT_LE(std::ranges::count(text, '\n'), 60);
  EXPECT_GT(std::ranges::count(text_of(c, {.stacks = true}), '\n'), 640);
  EXPECT_THAT(written(c, write_brief), HasSubstr("the same 64 times, in "));
  EXPECT_THAT(written(c, write_html), HasSubstr("<b>64 times, in "));
}

TEST(Text, OfManyHostsEachKindOfFindingIsShown) {
  Case c;
  spread_over_hosts(c, 12);
  for (std::size_t i = 1; i < 12; ++i)
    c.diagnosis.findings[i].title = "title " + std::string(i, 'x');

  const std::string text = text_of(c);

  EXPECT_THAT(text, HasSubstr("title xxxx\n"));
  EXPECT_THAT(text, Not(HasSubstr("title xxxxx\n")));
  EXPECT_THAT(text, HasSubstr("and 7 other findings (-v shows all)"));
  EXPECT_THAT(text, Not(HasSubstr("hosts: node")));
}

TEST(Golden, JsonHasTheMembersOfTheContract) {
  const std::string text = written(Case(), write_json);

  EXPECT_EQ(text, golden("deadlock.json", text));
}

/// The members below `schema` that have no description.
std::vector<std::string> without_description(const nlohmann::json& schema) {
  std::vector<std::string> found;
  if (schema.is_object() && schema.contains("properties"))
    for (const auto& [name, member] : schema["properties"].items())
      if (!member.contains("description")) found.push_back(name);
  if (!schema.is_structured()) return found;
  for (const auto& [name, inner] : schema.items()) {
    if (name == "if" || name == "then") continue;
    for (std::string& member : without_description(inner)) found.push_back(std::move(member));
  }
  return found;
}

TEST(Schema, DescribesEachMember) {
  std::ifstream file(IPCDOCTOR_SOURCE "/lib/report/report.schema.json");

  EXPECT_THAT(without_description(nlohmann::json::parse(file)), ::testing::IsEmpty());
}

TEST(Text, NoLineIsLongerThanTheWidth) {
  for (const int width : {60, 80, 120}) {
    std::istringstream lines(
        text_of(Case(), {.colour = Colour::Off, .width = width, .stacks = true}));
    for (std::string line; std::getline(lines, line);)
      EXPECT_LE(columns_of(line), static_cast<std::size_t>(width)) << line;
  }
}

TEST(Text, HasColoursOnlyWhenAsked) {
  EXPECT_THAT(text_of(Case()), Not(HasSubstr("\x1b")));
  EXPECT_THAT(text_of(Case(), {.colour = Colour::On, .width = 80, .stacks = false}),
              HasSubstr("\x1b[1;31mDEADLOCK\x1b[0m"));
}

TEST(Text, AHealthyTargetGetsOneLineThatSaysWhatItWaitsFor) {
  Builder b;
  b.process(40).comm("app").thread().sleeps();
  const snapshot::Snapshot snapshot = b.build();
  const graph::WaitGraph graph(snapshot);
  std::ostringstream out;

  write_text(out, {snapshot, graph, {diagnosis::Verdict::Waiting, {}, {}}}, {});

  EXPECT_THAT(out.str(), HasSubstr("WAITING"));
  EXPECT_THAT(out.str(), HasSubstr("waiting: app[40]"));
}

/// It reads for a while what its parent may write, who waits for its end.
snapshot::Snapshot timed_reader() {
  const snapshot::ObjectId pipe = snapshot::testing::pipe(7);
  Builder b;
  b.process(40).comm("app").fd(3, pipe, Access::Read).thread().reads(3).timed();
  b.process(41).comm("main").fd(4, pipe, Access::Write).thread().waits_for_child(40);
  return b.build();
}

TEST(Text, AWaitBesideNoFindingNamesWhoHasTheOtherSide) {
  const snapshot::Snapshot snapshot = timed_reader();
  const graph::WaitGraph graph(snapshot);
  std::ostringstream out;

  write_text(out, {snapshot, graph, {diagnosis::Verdict::Waiting, {}, {}}}, {.width = 200});

  EXPECT_THAT(out.str(), HasSubstr("data or EOF on pipe:[7] from main[41] (waits with a timeout)"));
}

TEST(Text, AWaitThatAFindingTellsOfIsNotToldInFullOnceMore) {
  const snapshot::Snapshot snapshot = timed_reader();
  const graph::WaitGraph graph(snapshot);
  diagnosis::Finding finding;
  finding.verdict = diagnosis::Verdict::Waiting;
  finding.stuck.push_back({task(40), "", "", "data or EOF on pipe:[7]"});
  finding.unless.emplace_back("somebody helps");
  std::ostringstream out;

  write_text(out, {snapshot, graph, {diagnosis::Verdict::Waiting, {finding}, {}}}, {.width = 200});

  EXPECT_THAT(out.str(), HasSubstr("read: data or EOF on pipe:[7] (waits with a timeout)"));
}

TEST(Text, AWaitForWhatOnlyTheWaiterItselfCouldSendSaysSo) {
  const snapshot::ObjectId pipe = snapshot::testing::pipe(7);
  Builder b;
  b.process(40).comm("app").fd(3, pipe, Access::Read).fd(4, pipe, Access::Write);
  b.process(40).thread().reads(3).timed();
  const snapshot::Snapshot snapshot = b.build();
  const graph::WaitGraph graph(snapshot);
  std::ostringstream out;

  write_text(out, {snapshot, graph, {diagnosis::Verdict::Waiting, {}, {}}}, {.width = 200});

  EXPECT_THAT(out.str(), HasSubstr("data or EOF on pipe:[7] from itself (waits with a timeout)"));
}

TEST(Text, WhatABlamedTaskWaitsForIsSaidOnce) {
  Case c;
  c.diagnosis.findings.front().culprits = {
      {task(40), 3, "app.py:17", "main", "has fd 3 and waits for the exit of 42", false}};
  c.diagnosis.findings.front().repairs.clear();

  for (const std::string& text : {text_of(c), written(c, write_brief)}) {
    EXPECT_THAT(text, HasSubstr("in consumer"));
    EXPECT_EQ(text.find("waits for the exit of 42"), text.rfind("waits for the exit of 42"));
    EXPECT_EQ(text.find("fd 3"), text.rfind("fd 3")) << text;
  }
}

TEST(Text, NamesTheCallerInAnotherFileBesideAHelper) {
  Builder b;
  b.process(40).comm("app").thread().waits_for_child(42);
  b.process(40).at("/src/util.py", 5, "wait").at("/src/app.py", 17, "main");
  b.process(42)
      .child_of(40)
      .thread()
      .waits_for_child(43)
      .at("/src/a.py", 3, "f")
      .at("/src/a.py", 9, "g");
  Case c;
  c.snapshot = b.build();
  diagnosis::Finding& finding = c.diagnosis.findings.front();
  finding.stuck = {{task(40), "util.py:5", "wait", "x"}, {task(42), "a.py:3", "f", "y"}};

  EXPECT_THAT(text_of(c), HasSubstr("util.py:5 in wait, from app.py:17 in main  waits for x"));
  EXPECT_THAT(text_of(c), HasSubstr("a.py:3 in f  waits for y"));
}

TEST(Text, ThoseWhoDifferInNumbersOnlyShareALineWhenTheyAreMany) {
  Case c;
  diagnosis::Finding& finding = c.diagnosis.findings.front();
  finding.culprits.clear();
  for (int i = 0; i < 9; ++i)
    finding.culprits.push_back({task(50 + i), -1, "a.c:3", "f", "waits for " + std::to_string(i)});

  EXPECT_THAT(text_of(c), HasSubstr("[50]  a.c:3 in f  waits for 0; likewise "));
  EXPECT_THAT(text_of(c), HasSubstr("and 4 more\n"));
  finding.culprits.resize(3);
  EXPECT_THAT(text_of(c), Not(HasSubstr("likewise")));
}

TEST(Text, OfManyEqualStepsTheFirstAndTheLastAreDrawn) {
  Case c;
  diagnosis::Finding& finding = c.diagnosis.findings.front();
  finding.chain.clear();
  for (int i = 0; i < 10; ++i)
    finding.chain.push_back({task(50 + i), task(50 + (i + 1) % 10), "pipe", ""});
  for (int i = 0; i < 9; ++i) finding.chain.push_back({task(70 + i), task(50), "exit", ""});

  const std::string text = text_of(c);

  EXPECT_THAT(text, HasSubstr("  50 ──pipe──▶ 51 ──pipe──▶ ... ──pipe──▶ 50\n"));
  EXPECT_THAT(text, HasSubstr("  70, 71, 72, 73, ... ──exit──▶ 50\n"));
  EXPECT_THAT(text_of(c, {.width = 80, .stacks = true}), HasSubstr("──▶ 57 ──pipe──▶ 58"));
}

TEST(Text, IsAsciiWhereTheCharsetIs) {
  const std::string text = text_of(Case(), {.charset = Charset::Ascii});

  EXPECT_THAT(text, HasSubstr("40 --child-exit--> 42"));
  EXPECT_TRUE(std::ranges::all_of(text, [](unsigned char c) { return c < 0x80; })) << text;
}

TEST(Text, ListsWhatWasNotSeen) {
  EXPECT_THAT(text_of(Case()), HasSubstr("not seen: read /proc/40/mem"));
}

TEST(Text, NamesTheProcessesOutsideTheTreeInOneLineAndEachInDetail) {
  Case c;
  c.snapshot.unseen.clear();
  for (const int pid : {1, 2, 3, 4, 5})
    c.snapshot.unseen.push_back(
        {Pid{pid}, Tid{}, Error{Cause::Denied, 13, "list /proc/" + std::to_string(pid) + "/fd"}});
  c.snapshot.unseen.push_back({Pid{5}, Tid{6}, Error{Cause::Denied, 13, "list /proc/5/task/6/fd"}});

  const std::string text = text_of(c);
  const std::string detailed = text_of(c, {.width = 80, .stacks = true});

  EXPECT_THAT(text,
              HasSubstr("not seen: descriptors of 5 processes outside the tree (PID 1, 2, 3"));
  EXPECT_THAT(text, HasSubstr("threads, seen in")) << "not all, as a line says what is missing";
  EXPECT_THAT(text, Not(HasSubstr("list /proc")));
  EXPECT_THAT(detailed, HasSubstr("list /proc/5/fd"));
  const std::string html = written(c, write_html);
  EXPECT_THAT(html, HasSubstr("descriptors of 5 processes outside the tree"));
  EXPECT_THAT(html, Not(HasSubstr("list /proc")));
}

TEST(Text, AFactThatWasNotDeniedIsSeenAsAGapWhereverItIs) {
  Case c;
  c.snapshot.unseen = {{Pid{3}, Tid{}, Error{Cause::TimedOut, 0, "maps of 3"}}};

  const std::string text = text_of(c);

  EXPECT_THAT(text, HasSubstr("not seen: maps of 3"));
  EXPECT_THAT(text, Not(HasSubstr("all seen in")));
}

TEST(Json, IsAsciiAndParsesWhateverTheTargetIsCalled) {
  const std::string text = written(Case(kHostile, kHostile), write_json);

  EXPECT_TRUE(
      std::ranges::all_of(text, [](char c) { return c == '\n' || (c >= 0x20 && c < 0x7f); }));
  EXPECT_THAT(json::parse(text)["findings"][0]["title"].get<std::string>(), HasSubstr("\\x1b[31m"));
}

TEST(Json, AMassOfAlikeStuckTasksHasOneEntryWithTheNumbersOfTheOthers) {
  Case c;
  for (int pid = 1000; pid < 3000; ++pid)
    c.diagnosis.findings[0].stuck.push_back({task(pid), "app.py:9", "consumer", "the same"});

  const json stuck = json::parse(written(c, write_json))["findings"][0]["stuck"];

  ASSERT_EQ(stuck.size(), 3U);
  EXPECT_EQ(stuck[2]["pid"], 1000);
  EXPECT_EQ(stuck[2]["alike"].size(), 1999U);
  EXPECT_EQ(stuck[2]["alike"][1998]["tid"], 2999);
}

TEST(Json, ADeadCulpritSaysSo) {
  Case c;
  c.diagnosis.findings[0].culprits[0].dead = true;

  EXPECT_EQ(json::parse(written(c, write_json))["findings"][0]["culprits"][0]["state"], "dead");
}

TEST(Hostile, NoControlCharacterReachesAnyFormat) {
  const Case c(kHostile, kHostile);
  for (const auto write : {write_json, write_html, write_brief, write_dot, write_mermaid,
                           write_junit, write_sarif, write_github, write_step_summary}) {
    const std::string text = written(c, write);
    EXPECT_TRUE(std::ranges::none_of(text, [](char byte) {
      return (static_cast<unsigned char>(byte) < 0x20 && byte != '\n') || byte == 0x7f ||
             byte == '\xff';
    })) << text;
  }
}

TEST(Hostile, MarkupOfTheTargetIsNotMarkup) {
  const Case c(kHostile, kHostile);

  const std::string html = written(c, write_html);
  EXPECT_EQ(html.find("<script"), html.rfind("<script")) << "its own";
  EXPECT_THAT(written(c, write_junit), Not(HasSubstr("<script")));
  EXPECT_THAT(written(c, write_mermaid), Not(HasSubstr("<script")));
  EXPECT_EQ(escape_markup("a<b>&\"'"), "a&lt;b&gt;&amp;&quot;&#39;");
}

TEST(Hostile, ATargetCannotBeginAWorkflowCommand) {
  std::istringstream lines(written(Case(kHostile, kHostile), write_github));
  int commands = 0;
  for (std::string line; std::getline(lines, line);) {
    line.erase(0, line.find_first_not_of(" \t"));
    commands += line.starts_with("::") || line.find("##[") != std::string::npos ? 1 : 0;
  }

  EXPECT_EQ(commands, 3);  // the finding, and group and endgroup
}

TEST(StepSummary, IsMarkdownThatATargetCannotLeave) {
  std::istringstream lines(written(Case(kHostile, kHostile), write_step_summary));
  int fences = 0;
  for (std::string line; std::getline(lines, line);) fences += line.starts_with("```") ? 1 : 0;

  EXPECT_EQ(fences, 2);
}

TEST(Brief, IsCodeWhateverTheTargetIsCalled) {
  const std::string name = "``` ` </code> [x](http://e) @all ##[error]";
  std::istringstream lines(written(Case(name, name + "\n# second line"), write_brief));
  for (std::string line; std::getline(lines, line);) {
    if (line.find("@all") == std::string::npos) continue;
    EXPECT_THAT(line, ::testing::MatchesRegex("(- [a-z ]+: )?```` .* ````")) << line;
    EXPECT_THAT(line, Not(HasSubstr("##[")));
  }
}

TEST(Brief, SaysVerdictCulpritsFixAndWhatToDoNext) {
  const std::string brief = written(Case(), write_brief);

  EXPECT_THAT(brief, HasSubstr("## DEADLOCK: unclosed-write-end (proved), IPC101\n"));
  EXPECT_THAT(brief, HasSubstr("\n- to blame: `python3[40] fd 3 at app.py:17 in main(): holds"));
  EXPECT_THAT(brief, HasSubstr("\n- evidence: `read(4) on pipe:[7] (/proc/42/syscall)`\n"));
  EXPECT_THAT(brief, HasSubstr("`ipcdoctor explain unclosed-write-end`"));
}

TEST(Brief, HasFortyLinesAtMost) {
  Case c;
  diagnosis::Finding& finding = c.diagnosis.findings[0];
  const auto letters = [](std::size_t i) { return std::string(i + 1, 'x'); };
  for (std::size_t i = 0; i < 60; ++i) {
    finding.culprits.push_back({task(40), -1, "", "", letters(i), false});
    finding.stuck.push_back({task(40), "", "", letters(i)});
    finding.fix += "\n" + letters(i);
    finding.evidence.push_back({letters(i), "x"});
    finding.unless.push_back(letters(i));
    finding.assumptions.push_back(letters(i));
    c.snapshot.unseen.push_back({Pid{40}, Tid{40}, Error{Cause::Other, 0, letters(i)}});
  }
  for (int i = 0; i < 60; ++i) c.diagnosis.findings.push_back(c.diagnosis.findings[0]);

  EXPECT_LE(std::ranges::count(written(c, write_brief), '\n'), 40);
}

TEST(Annotations, NameFilesBelowTheDirectoryAsTheRepositoryDoes) {
  const Case c;
  const graph::WaitGraph graph(c.snapshot);
  const auto file_of = [&](const char* directory) {
    return place_of(Report{c.snapshot, graph, c.diagnosis, directory}, c.diagnosis.findings[0])
        .file;
  };
  const std::string whole = file_of("/nowhere");

  EXPECT_TRUE(whole.starts_with("/")) << whole;
  EXPECT_EQ(file_of(whole.substr(0, whole.rfind('/')).c_str()), whole.substr(whole.rfind('/') + 1));
}

TEST(Sarif, HasOneResultWithItsLine) {
  const json sarif = json::parse(written(Case(), write_sarif));

  const json& result = sarif["runs"][0]["results"][0];
  EXPECT_EQ(sarif["version"], "2.1.0");
  EXPECT_EQ(sarif["runs"].size(), 1U);
  EXPECT_EQ(result["ruleId"], "IPC101");
  EXPECT_EQ(result["locations"][0]["physicalLocation"]["region"]["startLine"], 17);
  EXPECT_EQ(result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"], "app.py");
}

// The standard wants them unique; threads of one process may wait at one line.
TEST(Sarif, NamesAPlaceOnce) {
  Case c;
  const auto places = [&] {
    return json::parse(written(c, write_sarif))["runs"][0]["results"][0]["relatedLocations"].size();
  };
  const std::size_t before = places();
  c.diagnosis.findings[0].stuck.push_back(c.diagnosis.findings[0].stuck[0]);

  EXPECT_GT(before, 0U);
  EXPECT_EQ(places(), before);
}

TEST(Junit, CountsADeadlockAsAFailure) {
  EXPECT_THAT(written(Case(), write_junit), HasSubstr("tests=\"1\" failures=\"1\""));
}

TEST(Github, PutsTheErrorAtItsLine) {
  EXPECT_THAT(written(Case(), write_github),
              HasSubstr("::error title=IPC101 unclosed-write-end (proved),file=app.py,line=17::"));
}

TEST(Dot, DrawsEachTaskOnceAndWhatStandsBetween) {
  const std::string dot = written(Case(), write_dot);

  EXPECT_THAT(dot, HasSubstr("n1 -> n0 [label=\"the exit of 42\"]"));
  EXPECT_THAT(dot, HasSubstr("n0 -> n2 [label=\"data or EOF\"]"));
  EXPECT_THAT(dot, HasSubstr("n2 -> n1 [label=\"fd 3\"]"));
  EXPECT_THAT(dot, Not(HasSubstr("n3 [")));
}

/// `readers` children of 40, of which the first reads a pipe of which 40 has the other end, and the
/// others wait for the file lock that it has; `extra` more programs are each different.
struct Crowd {
  snapshot::Snapshot snapshot;
  std::unique_ptr<graph::WaitGraph> graph;
  diagnosis::Diagnosis diagnosis;

  Crowd(int readers, int extra) {
    Builder b;
    b.process(40).comm("app").thread().waits_for_child(42).at("/src/app.py", 17, "main");
    for (int i = 0; i < readers; ++i) {
      auto process = b.process(42 + i).comm("app").child_of(40);
      process.fd(4, snapshot::testing::pipe(7), Access::Read).thread().reads(4);
      process.at("/src/app.py", i == 0 ? 9 : 8, "consumer");
    }
    for (int i = 0; i < extra; ++i) {
      auto process = b.process(100000 + i).comm("tool" + std::string(1, char('a' + i % 26)));
      process.child_of(40).fd(4, snapshot::testing::pipe(7), Access::Read).thread().reads(4);
      process.at("/src/app.py", 100 + i, "other");
    }
    snapshot = b.build();
    graph = std::make_unique<graph::WaitGraph>(snapshot);
    diagnosis = one_finding("nobody writes");
    diagnosis::Finding& finding = diagnosis.findings[0];
    finding.stuck.clear();
    for (const snapshot::Process& process : snapshot.processes)
      finding.stuck.push_back(diagnosis::stuck_task(snapshot, task(process.pid.value)));
    for (int i = 1; i < std::min(readers, 30); ++i)
      finding.chain.push_back({task(42 + i), task(40), "pipe-write-end", "fd 3"});
  }
  Report report() const { return {snapshot, *graph, diagnosis, "/src"}; }
};

TEST(Picture, AKnotIsDrawnTaskByTaskAndACrowdBehindItOnce) {
  const Crowd crowd(500, 0);

  const Picture picture = draw(crowd.report(), crowd.diagnosis.findings);

  ASSERT_EQ(picture.nodes.size(), 4U);  // 40, 42, the other readers, the pipe
  EXPECT_EQ(picture.boxes.size(), 3U);
  EXPECT_EQ(picture.boxes[2].label, "499 \u00d7 app");
  EXPECT_EQ(picture.nodes[2].tasks.size(), 499U);
  EXPECT_FALSE(picture.nodes[2].in_knot);
  EXPECT_TRUE(picture.nodes[0].in_knot && picture.nodes[1].in_knot && picture.nodes[3].in_knot);
}

TEST(Picture, HasRoomForSomeKindsOfTasksAndCountsTheOthers) {
  const Crowd crowd(1, 500);

  const Picture picture = draw(crowd.report(), crowd.diagnosis.findings);

  EXPECT_LT(picture.nodes.size(), 30U);
  const auto rest = std::ranges::find(picture.boxes, "others", &Picture::Box::label);
  ASSERT_NE(rest, picture.boxes.end());
  EXPECT_THAT(picture.nodes[rest->nodes[0]].label, HasSubstr(" tasks of other kinds"));
}

TEST(Picture, NoShapeStandsOnAnotherAndNoTextLeavesItsShape) {
  const Crowd crowd(40, 30);
  const Picture picture = draw(crowd.report(), crowd.diagnosis.findings);
  for (const Columns columns : {Columns::One, Columns::Three}) {
    const Diagram diagram = lay_out(picture, columns);
    for (const Diagram::Shape& a : diagram.shapes) {
      EXPECT_LE(a.x + a.width, diagram.width);
      EXPECT_LE(a.y + a.height, diagram.height);
      for (const Diagram::Row& row : a.rows) {
        EXPECT_LE(row.y + row.height, a.y + a.height);
        for (const Diagram::Line& line : row.lines) EXPECT_LE(columns_of(line.text), 40U);
      }
      for (const Diagram::Shape& b : diagram.shapes) {
        const bool apart = &a == &b || a.x + a.width <= b.x || b.x + b.width <= a.x ||
                           a.y + a.height <= b.y || b.y + b.height <= a.y;
        EXPECT_TRUE(apart);
      }
    }
    EXPECT_EQ(diagram.paths.size(), picture.arrows.size());
  }
}

TEST(Html, IsSmallWhetherProcessesAreAlikeOrEachDifferent) {
  for (const Crowd& crowd : {Crowd(5000, 0), Crowd(1, 5000)}) {
    std::ostringstream out;
    write_html(out, crowd.report());
    EXPECT_LT(out.str().size(), 1000000U);
  }
}

TEST(Html, ItsTitleNamesTheVerdict) {
  EXPECT_THAT(written(Case(), write_html),
              HasSubstr("<title>Deadlock: unclosed-write-end (proved)"));
}

TEST(Tree, AlikeProcessesAreOneLineBelowTheirParent) {
  const Crowd crowd(500, 1);

  const std::vector<TreeLine> lines = tree_lines(crowd.report(), Likeness::Folded);

  ASSERT_EQ(lines.size(), 4U);
  EXPECT_EQ(lines[0].label, "app[40]");
  EXPECT_EQ(lines[2].label, "app[43] and 498 more");
  EXPECT_EQ(lines[2].depth, 1U);
  EXPECT_EQ(lines[2].threads[0].does, "waits for data or EOF on pipe:[7]");
  EXPECT_EQ(lines[3].label, "toola[100000]");
  EXPECT_EQ(tree_lines(crowd.report(), Likeness::Each).size(), 502U);
}

TEST(Tree, ProcessesThatAreEachOthersParentsAreListedOnce) {
  Builder b;
  b.process(40).child_of(41).thread().sleeps();
  b.process(41).child_of(40).thread().sleeps();
  const snapshot::Snapshot snapshot = b.build();
  const graph::WaitGraph graph(snapshot);

  EXPECT_EQ(tree_lines({snapshot, graph, {}}, Likeness::Each).size(), 2U);
}

TEST(Tree, AsTextHasALineAThread) {
  Builder b;
  b.process(40).comm("app").thread().sleeps().thread(41).sleeps();
  b.process(42).comm("app").child_of(40).thread().waits_for_child(43);
  b.process(43).comm("tool").child_of(42);
  const snapshot::Snapshot snapshot = b.build();
  const graph::WaitGraph graph(snapshot);
  std::ostringstream out;

  write_tree(out, {snapshot, graph, {}}, {.still = {{task(42), std::chrono::seconds(7)}}});

  EXPECT_EQ(out.str(),
            "app[40]  waits for time to pass\n"
            "  . thread 41  waits for time to pass\n"
            "  app[42]  waits for the exit of 43, for 7 s at least\n"
            "    tool[43]\n");
}

TEST(Tree, TasksOfARuntimeStandForTheThreadsThatCarryThem) {
  Builder b;
  b.process(40).comm("app").thread().sleeps().last().carries = true;
  b.process(40).thread(snapshot::kFirstFiber + 1).sleeps();
  b.process(40).thread(snapshot::kFirstFiber + 7).waits_for_child(42);
  const snapshot::Snapshot snapshot = b.build();
  const graph::WaitGraph graph(snapshot);
  std::ostringstream out;

  write_tree(out, {snapshot, graph, {}}, {});

  EXPECT_EQ(out.str(),
            "app[40]  waits for time to pass\n"
            "  . task 7  waits for the exit of 42\n");
}

TEST(Tree, NumbersAreRanges) {
  EXPECT_EQ(ranges_of({9, 3, 4, 5, 4}), "3-5 9");
  EXPECT_EQ(ranges_of({}), "");
  EXPECT_EQ(ranges_of({10, 12, 14, 15}, 8), "10 12 ...");
}

TEST(Layout, BreaksAtSpacesAndIndentsTheRest) {
  EXPECT_EQ(wrap("one two three", 9, "> ", "  "), "> one two\n  three\n");
  EXPECT_EQ(wrap("averyverylongword", 5, "", ""), "averyverylongword\n");
  EXPECT_EQ(wrap("", 5, "", ""), "\n");
  EXPECT_EQ(columns_of("a──▶"), 4U);
}

}  // namespace
namespace {

snapshot::Frame native_frame(const std::string& function) {
  snapshot::Frame frame;
  frame.function = function;
  return frame;
}

snapshot::Frame python_frame(const std::string& function, bool entry) {
  snapshot::Frame frame = native_frame(function);
  frame.kind = snapshot::FrameKind::Interpreted;
  frame.entry = entry;
  return frame;
}

std::string functions_of(const snapshot::Thread& thread) {
  std::string out;
  for (const snapshot::Frame& frame : merged_stack(thread)) out += frame.function + " ";
  return out;
}

}  // namespace

TEST(Stacks, PythonFramesStandWhereTheirEvaluationLoopIs) {
  snapshot::Thread thread;
  thread.native = {{native_frame("read"), native_frame("_PyEval_EvalFrameDefault"),
                    native_frame("slot_tp_call"), native_frame("_PyEval_EvalFrameDefault"),
                    native_frame("main")}};
  thread.interpreted = {
      {python_frame("get", false), python_frame("consume", true), python_frame("run", true)}};
  EXPECT_EQ(functions_of(thread), "read get consume slot_tp_call run main ");
}

TEST(Stacks, NoFrameIsLostWhereTheNativeStackIsCutOrHasNoNames) {
  snapshot::Thread thread;
  thread.interpreted = {{python_frame("get", true), python_frame("run", true)}};
  EXPECT_EQ(functions_of(thread), "get run ");
  thread.native = {{native_frame("read"), native_frame("_PyEval_EvalFrameDefault")}};
  EXPECT_EQ(functions_of(thread), "read get run ");
  thread.native = {{native_frame("read"), native_frame("")}};
  EXPECT_EQ(functions_of(thread), "get run read  ");
}

}  // namespace ipcdoctor::report
