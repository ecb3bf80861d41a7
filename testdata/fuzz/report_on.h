#pragma once

#include <sstream>

#include "diagnosis/probe.h"
#include "graph/wait_graph.h"
#include "probes/all_probes.h"
#include "report/report.h"
#include "snapshot/codec.h"

namespace ipcdoctor {

/// Through graph, probes and all formats.
inline void report_on(const snapshot::Snapshot& snapshot) {
  const graph::WaitGraph graph(snapshot);
  const auto diagnosis = diagnosis::diagnose({snapshot, graph}, probes::all_probes());
  const report::Report report{
      .snapshot = snapshot, .graph = graph, .diagnosis = diagnosis, .directory = "/x"};
  std::ostringstream out;
  report::write_text(out, report, {.colour = report::Colour::On, .width = 60, .stacks = true});
  for (const auto write : {report::write_json, report::write_brief, report::write_html,
                           report::write_dot, report::write_mermaid, report::write_junit,
                           report::write_sarif, report::write_github, report::write_step_summary})
    write(out, report);
}

inline void load_and_report(const std::string& text) {
  const auto all = snapshot::load_all(text);
  if (!all) return;
  for (const snapshot::Snapshot& snapshot : *all) report_on(snapshot);
}

}  // namespace ipcdoctor
