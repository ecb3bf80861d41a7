#pragma once

#include <iosfwd>
#include <string>

#include "diagnosis/probe.h"

/// Renders a diagnosis; one file a format.
namespace ipcdoctor::report {

/// How long the parts behind the collection took, in milliseconds; 0: not measured.
struct Elapsed {
  double graph = 0;
  double probes = 0;
  double lines = 0;  ///< functions and lines of what is told
};

struct Report {
  const snapshot::Snapshot& snapshot;
  const graph::WaitGraph& graph;
  const diagnosis::Diagnosis& diagnosis;
  std::string directory =
      {};  ///< annotations name the files below it without it, as a repository does
  std::string version = IPCDOCTOR_VERSION;  ///< of what made the report
  Elapsed elapsed = {};
};

enum class Colour { Off, On };
enum class Charset { Utf8, Ascii };  ///< of what is drawn; names of the target stay as they are

struct TextOptions {
  Colour colour = Colour::Off;
  int width = 80;       ///< columns
  bool stacks = false;  ///< -v
  Charset charset = Charset::Utf8;
};

void write_text(std::ostream& out, const Report& report, const TextOptions& options);
void write_json(std::ostream& out, const Report& report);  ///< ipcdoctor/report/1
/// Markdown of at most 40 lines, to be pasted into a ticket or read by a program.
void write_brief(std::ostream& out, const Report& report);
void write_html(std::ostream& out, const Report& report);
void write_dot(std::ostream& out, const Report& report);
void write_mermaid(std::ostream& out, const Report& report);
void write_junit(std::ostream& out, const Report& report);
void write_sarif(std::ostream& out, const Report& report);
void write_github(std::ostream& out, const Report& report);
void write_step_summary(std::ostream& out,
                        const Report& report);  ///< Markdown, as GitHub shows it below a job

/// Threads and their stacks alone, nothing diagnosed.
void write_stacks_text(std::ostream& out, const snapshot::Snapshot& snapshot);
/// ipcdoctor/stacks/1; `version` of what made it.
void write_stacks_json(std::ostream& out, const snapshot::Snapshot& snapshot,
                       const std::string& version = IPCDOCTOR_VERSION);

}  // namespace ipcdoctor::report
