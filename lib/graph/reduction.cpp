#include "graph/reduction.h"

#include <algorithm>
#include <cassert>
#include <tuple>

namespace ipcdoctor::graph {

Node Network::add(std::uint32_t need) {
  need_.push_back(need);
  return static_cast<Node>(need_.size() - 1);
}

void Network::connect(Node from, Node to, int label) {
  assert(from < size() && to < size());
  links_.push_back({from, to, label});
}

void Network::freeze() {
  // As unsigned, -1 is the largest label, so the first of equal edges has the lowest real one.
  const auto order = [](const Link& l) {
    return std::tuple(l.to, l.from, static_cast<unsigned>(l.label));
  };
  std::ranges::sort(links_, {}, order);
  const auto same = [](const Link& a, const Link& b) { return a.from == b.from && a.to == b.to; };
  links_.erase(std::unique(links_.begin(), links_.end(), same), links_.end());

  input_start_.assign(size() + 1, 0);
  output_start_.assign(size() + 1, 0);
  for (const Link& link : links_) {
    ++input_start_[link.to + 1];
    ++output_start_[link.from + 1];
  }
  for (std::size_t i = 0; i < size(); ++i) {
    if (need_[i] == kAll) need_[i] = static_cast<std::uint32_t>(input_start_[i + 1]);
    input_start_[i + 1] += input_start_[i];
    output_start_[i + 1] += output_start_[i];
  }
  inputs_.resize(links_.size());
  outputs_.resize(links_.size());
  std::vector<std::size_t> next_input(input_start_), next_output(output_start_);
  for (const Link& link : links_) {
    inputs_[next_input[link.to]++] = {link.from, link.label};
    outputs_[next_output[link.from]++] = {link.to, link.label};
  }
  links_ = {};
}

Flags reduce(const Network& network, const Flags& off, const Flags& on) {
  Flags live(network.size(), 0);
  std::vector<std::uint32_t> missing(network.size());
  std::vector<Node> todo;
  for (Node n = 0; n < network.size(); ++n) {
    missing[n] = network.need(n);
    const bool needs_nothing = missing[n] == 0 && (off.empty() || off[n] == 0);
    if (needs_nothing || (!on.empty() && on[n] != 0)) {
      live[n] = 1;
      todo.push_back(n);
    }
  }
  while (!todo.empty()) {
    const Node node = todo.back();
    todo.pop_back();
    for (const Network::Edge& edge : network.outputs(node)) {
      // A node that is off has nothing missing and stays dead whatever helps it.
      if (live[edge.node] != 0 || missing[edge.node] == 0) continue;
      if (--missing[edge.node] == 0) {
        live[edge.node] = 1;
        todo.push_back(edge.node);
      }
    }
  }
  return live;
}

namespace {

/// Tarjan's algorithm with a stack of its own: the graph may be deeper than the machine's.
class Tarjan {
 public:
  Tarjan(const Network& network, const Flags& member, const Flags& closed)
      : network_(network),
        member_(member),
        closed_(closed),
        index_(network.size(), 0),
        low_(network.size(), 0) {
    result_.of.assign(network.size(), Components::kNone);
  }

  Components run() && {
    for (Node n = 0; n < network_.size(); ++n) {
      if (member_[n] != 0 && index_[n] == 0) visit(n);
    }
    return std::move(result_);
  }

 private:
  struct Frame {
    Node node;
    std::size_t next;
  };

  void enter(Node node) {
    index_[node] = low_[node] = ++counter_;
    open_.push_back(node);
    calls_.push_back({node, 0});
  }

  void visit(Node root) {
    enter(root);
    while (!calls_.empty()) {
      Frame& frame = calls_.back();
      const Node node = frame.node;
      const bool follow = closed_.empty() || closed_[node] == 0;
      const auto inputs = network_.inputs(node);
      if (follow && frame.next < inputs.size()) {
        const Node next = inputs[frame.next++].node;
        if (member_[next] == 0 || result_.of[next] != Components::kNone) continue;
        if (index_[next] == 0) {
          enter(next);
        } else {
          low_[node] = std::min(low_[node], index_[next]);
        }
        continue;
      }
      calls_.pop_back();
      if (!calls_.empty())
        low_[calls_.back().node] = std::min(low_[calls_.back().node], low_[node]);
      if (low_[node] == index_[node]) close(node);
    }
  }

  void close(Node root) {
    Node node = 0;
    do {
      node = open_.back();
      open_.pop_back();
      result_.of[node] = result_.count;
    } while (node != root);
    ++result_.count;
  }

  const Network& network_;
  const Flags& member_;
  const Flags& closed_;
  std::vector<std::uint32_t> index_, low_;
  std::uint32_t counter_ = 0;
  std::vector<Node> open_;
  std::vector<Frame> calls_;
  Components result_;
};

}  // namespace

Components strong_components(const Network& network, const Flags& member, const Flags& closed) {
  return Tarjan(network, member, closed).run();
}

}  // namespace ipcdoctor::graph
