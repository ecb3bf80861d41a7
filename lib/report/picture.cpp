#include "report/picture.h"

#include <map>
#include <set>
#include <tuple>

#include "base/text.h"
#include "report/crowd.h"

namespace ipcdoctor::report {
namespace {

using snapshot::TaskRef;

class Drawing {
 public:
  explicit Drawing(const Report& report) : report_(report) {}

  Picture::Node& node(TaskRef task) { return picture_.nodes[index(task)]; }

  void arrow(const diagnosis::ChainLink& link) {
    const Picture::Arrow arrow{index(link.from), index(link.to), escape_untrusted(link.by)};
    if (drawn_.emplace(arrow.from, arrow.to, arrow.label).second) picture_.arrows.push_back(arrow);
  }

  /// One box for a crowd; who stands in the chain has a box of his own.
  template <class List, class Mark>
  void crowd(const List& list, const std::set<TaskRef>& in_chain, const Mark& mark) {
    std::vector<std::string> texts;
    for (const auto& entry : list) {
      const snapshot::Process* process = snapshot::find_process(report_.snapshot, entry.task.pid);
      const bool alone = process == nullptr || in_chain.contains(entry.task);
      texts.push_back(alone ? snapshot::label(report_.snapshot, entry.task)
                            : process->comm + "\n" + entry.where + "\n" + entry.function);
    }
    for (const Line& line : crowds_folded(texts)) {
      Picture::Node& box = node(list[line.index].task);
      mark(box);
      if (line.more > 0 && box.more < line.more) box.more = line.more;
    }
  }

  Picture take() {
    for (Picture::Node& node : picture_.nodes) node.label += and_more(node.more);
    return std::move(picture_);
  }

 private:
  std::size_t index(TaskRef task) {
    if (task.tid.value == 0)
      task.tid = Tid{task.pid.value};  // the process as a whole stands at its leader
    const auto [it, is_new] = indices_.try_emplace(task, picture_.nodes.size());
    if (is_new) {
      Picture::Node node{
          task, escape_untrusted(snapshot::label(report_.snapshot, task)), "", false, false, 0};
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
  std::set<std::tuple<std::size_t, std::size_t, std::string>> drawn_;
};

}  // namespace

Picture draw(const Report& report) {
  Drawing drawing(report);
  for (const diagnosis::Finding& finding : report.diagnosis.findings) {
    std::set<TaskRef> in_chain;
    for (const diagnosis::ChainLink& link : finding.chain) in_chain.insert({link.from, link.to});
    drawing.crowd(finding.stuck, in_chain, [](Picture::Node& node) { node.is_stuck = true; });
    drawing.crowd(finding.culprits, in_chain, [](Picture::Node& node) { node.is_culprit = true; });
    for (const diagnosis::ChainLink& link : finding.chain) drawing.arrow(link);
  }
  return drawing.take();
}

}  // namespace ipcdoctor::report
