#pragma once

#include <memory>

#include "diagnosis/probe.h"
#include "options.h"
#include "report/report.h"
#include "snapshot/snapshot.h"

namespace ipcdoctor::cmd {

/// A snapshot and all that was concluded from it.
class Examination {
 public:
  explicit Examination(snapshot::Snapshot snapshot);

  const snapshot::Snapshot& snapshot() const { return *snapshot_; }
  const graph::WaitGraph& graph() const { return graph_; }
  const diagnosis::Diagnosis& diagnosis() const { return diagnosis_; }
  report::Report report() const {
    return {.snapshot = *snapshot_, .graph = graph_, .diagnosis = diagnosis_, .elapsed = elapsed_};
  }

  /// Where nothing was found: what would stand if those who sleep or wait with a timeout did
  /// nothing for the others, as claims under that condition.
  void suppose();

  /// Names functions and lines of the native stacks that a reader will see, and diagnoses again
  /// with them. Live only: it reads the images of the target. `verbose`: of all threads, else of
  /// those that a finding names.
  void symbolise(const ReportOptions& options);

  /// One of exit_code.h.
  int exit_code() const;

 private:
  using Timed = graph::WaitGraph::Timed;

  diagnosis::Diagnosis diagnose(const graph::WaitGraph& graph) const;

  std::unique_ptr<snapshot::Snapshot>
      snapshot_;                 // stays where it is when this moves: graph_ refers to it
  report::Elapsed elapsed_;      // before what it measures
  Timed timed_ = Timed::AsSeen;  ///< how graph_ was built
  graph::WaitGraph graph_;
  diagnosis::Diagnosis diagnosis_;
};

/// Whether the program is watched for some seconds where only that can tell who polls.
enum class Watching { Never, WhereItMayTell };

/// Collect, build, diagnose, symbolise. @return the Error of collect()
Result<Examination> examine(const std::vector<Pid>& pids, const collect::Options& collect_options,
                            const ReportOptions& report_options, Watching watching);

/// What can be said of a snapshot that was saved.
Examination examine(snapshot::Snapshot snapshot);

/// Writes the reports. @return the exit code
int report_on(const Examination& examination, const ReportOptions& options);

}  // namespace ipcdoctor::cmd
