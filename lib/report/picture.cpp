#include "report/picture.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "base/text.h"

namespace ipcdoctor::report {
namespace {

using snapshot::TaskRef;

class Drawing {
 public:
  explicit Drawing(const Report& report) : report_(report) {}

  Picture::Node& node(TaskRef task) { return picture_.nodes[index(task)]; }

  void arrow(const diagnosis::ChainLink& link) {
    const Picture::Arrow arrow{index(link.from), index(link.to), escape_untrusted(link.by)};
    const bool is_new = std::ranges::none_of(picture_.arrows, [&](const Picture::Arrow& a) {
      return std::tie(a.from, a.to, a.label) == std::tie(arrow.from, arrow.to, arrow.label);
    });
    if (is_new) picture_.arrows.push_back(arrow);
  }

  Picture take() { return std::move(picture_); }

 private:
  std::size_t index(TaskRef task) {
    if (task.tid.value == 0)
      task.tid = Tid{task.pid.value};  // the process as a whole stands at its leader
    const auto [it, is_new] = indices_.try_emplace(task, picture_.nodes.size());
    if (is_new) {
      Picture::Node node{task, escape_untrusted(snapshot::label(report_.snapshot, task)), "", false,
                         false};
      if (const snapshot::Thread* thread = snapshot::find_thread(report_.snapshot, task)) {
        node.where = escape_untrusted(snapshot::where(*thread));
      }
      picture_.nodes.push_back(std::move(node));
    }
    return it->second;
  }

  const Report& report_;
  Picture picture_;
  std::map<TaskRef, std::size_t> indices_;
};

}  // namespace

Picture draw(const Report& report) {
  Drawing drawing(report);
  for (const diagnosis::Finding& finding : report.diagnosis.findings) {
    for (const diagnosis::StuckTask& stuck : finding.stuck)
      drawing.node(stuck.task).is_stuck = true;
    for (const diagnosis::Culprit& culprit : finding.culprits)
      drawing.node(culprit.task).is_culprit = true;
    for (const diagnosis::ChainLink& link : finding.chain) drawing.arrow(link);
  }
  return drawing.take();
}

}  // namespace ipcdoctor::report
