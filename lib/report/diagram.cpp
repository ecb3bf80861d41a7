#include "report/diagram.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <map>
#include <sstream>

#include "report/layout.h"
#include "report/words.h"

namespace ipcdoctor::report {
namespace {

using Shape = Diagram::Shape;
using Line = Diagram::Line;

constexpr double kLetter = 7.3;  // of a monospaced font of 12 pixels, with some air
constexpr double kLineHeight = 17;
constexpr double kPad = 10;
constexpr double kGap = 30;      // between shapes
constexpr double kHeading = 24;  // above a column
constexpr double kLane = 9;      // between arrows side by side
constexpr double kMargin = 6;
constexpr double kEnd = 7;  // length of an arrow's head
constexpr std::size_t kMaxLines = 3;
constexpr std::size_t kMaxRoles = 3;
constexpr std::size_t kNone = static_cast<std::size_t>(-1);

/// What fits of a text, in at most three lines; words longer than a line are cut in two.
std::vector<std::string> fitted(const std::string& text, std::size_t columns) {
  std::vector<std::string> lines;
  std::istringstream wrapped(wrap(text, columns, "", ""));
  for (std::string line; std::getline(wrapped, line);) {
    std::string part;
    std::size_t length = 0;
    for (std::size_t i = 0; i < line.size(); ++i) {
      const bool begins = (static_cast<unsigned char>(line[i]) & 0xc0) != 0x80;
      if (begins && length == columns) {
        lines.push_back(std::move(part));
        part.clear();
        length = 0;
      }
      length += begins ? 1 : 0;
      part += line[i];
    }
    lines.push_back(std::move(part));
  }
  if (lines.size() <= kMaxLines) return lines;
  lines.resize(kMaxLines);
  std::string& last = lines.back();
  while (columns_of(last) >= columns) last.pop_back();
  while (!last.empty() && (static_cast<unsigned char>(last.back()) & 0xc0) == 0x80) last.pop_back();
  last += "\u2026";
  return lines;
}

std::string point(double x, double y) {
  return pixels(x) + " " + pixels(y);
}

enum class Place { Knot, Behind, Beside };

constexpr std::array<std::string_view, 3> kHeadings = {"the knot", "waits behind it", "beside it"};

class Layout {
 public:
  Layout(const Picture& picture, Columns columns) : picture_(picture), columns_(columns) {
    box_width_ = columns == Columns::One ? 296 : 288;
    letters_ = static_cast<std::size_t>((box_width_ - 2 * kPad) / kLetter);
  }

  Diagram run() {
    if (picture_.nodes.empty()) return {};
    add_shapes();
    find_places();
    find_orders();
    stack();
    route();
    set_across();
    draw_paths();
    return std::move(diagram_);
  }

 private:
  struct Route {
    std::size_t arrow = 0, from = 0, to = 0;  ///< shapes
    std::size_t gutter = 0, lane = kNone;     ///< kNone: straight down
    bool leaves_right = false, enters_left = false;
    double y1 = 0, y2 = 0;
  };

  std::vector<Line> lines(const std::string& text, std::string_view style) const {
    std::vector<Line> out;
    if (text.empty()) return out;
    for (std::string& line : fitted(text, letters_)) out.push_back({std::move(line), style, 0});
    return out;
  }

  static void append(std::vector<Line>& to, std::vector<Line> more) {
    std::ranges::move(more, std::back_inserter(to));
  }

  std::string who(const Picture::Node& node) const {
    const Picture::Box& box = picture_.boxes[node.box];
    const bool are_leaders = std::ranges::all_of(
        node.tasks, [](const snapshot::TaskRef& task) { return task.tid.value == task.pid.value; });
    if (box.processes == 1 && node.tasks.size() == 1)
      return are_leaders ? "main thread" : node.thread;
    if (box.processes == 1 || are_leaders || box.processes == 0) return node.label;
    return std::to_string(node.tasks.size()) + " threads, " + node.label;
  }

  Shape process_shape(const Picture::Box& box) const {
    Shape shape;
    shape.title = lines(box.label, "title");
    for (const std::size_t n : box.nodes) {
      const Picture::Node& node = picture_.nodes[n];
      Diagram::Row row{n, 0, 0, {}};
      const bool has_ended = !node.is_stuck && node.where.empty() && !node.why.empty();
      if (!has_ended) row.lines = lines(who(node), "who");
      append(row.lines, lines(node.where, "where"));
      if (!node.why.empty()) append(row.lines, lines("to blame: " + node.why, "blame"));
      if (node.is_stuck && !node.waits_for.empty())
        append(row.lines, lines("waits for " + node.waits_for, "wait"));
      shape.rows.push_back(std::move(row));
    }
    return shape;
  }

  Shape object_shape(std::size_t n) const {
    Shape shape;
    shape.is_object = true;
    Diagram::Row row{n, 0, 0, lines(picture_.nodes[n].label, "who")};
    append(row.lines, lines(picture_.nodes[n].where, "fill"));
    std::size_t roles = 0;
    for (const Picture::Arrow& arrow : picture_.arrows) {
      if (arrow.from != n || ++roles > kMaxRoles) continue;
      const std::string& to = picture_.nodes[arrow.to].label;
      const bool takes_name = arrow.label.ends_with(" by") || arrow.label.ends_with(" of");
      append(row.lines,
             lines(takes_name ? arrow.label + " " + to : to + ": " + arrow.label, "role"));
    }
    if (roles > kMaxRoles)
      append(row.lines, lines("and " + std::to_string(roles - kMaxRoles) + " more", "role"));
    if (roles == 0 && !picture_.nodes[n].is_up_to_others)
      append(row.lines, lines("nobody is left to act on it", "role"));
    shape.rows.push_back(std::move(row));
    return shape;
  }

  void add_shapes() {
    shape_of_.resize(picture_.nodes.size());
    for (const Picture::Box& box : picture_.boxes) {
      for (const std::size_t n : box.nodes) shape_of_[n] = diagram_.shapes.size();
      diagram_.shapes.push_back(process_shape(box));
    }
    for (std::size_t n = 0; n < picture_.nodes.size(); ++n) {
      if (picture_.nodes[n].kind != Picture::Node::Kind::Object) continue;
      shape_of_[n] = diagram_.shapes.size();
      diagram_.shapes.push_back(object_shape(n));
    }
    next_.resize(diagram_.shapes.size());
    before_.resize(diagram_.shapes.size());
    for (const Picture::Arrow& arrow : picture_.arrows) {
      next_[shape_of_[arrow.from]].push_back(shape_of_[arrow.to]);
      before_[shape_of_[arrow.to]].push_back(shape_of_[arrow.from]);
    }
  }

  /// Somebody who is not stuck, or what only the knot leads to.
  bool is_beside(std::size_t s) const {
    const auto is_stuck = [&](const Diagram::Row& row) {
      return picture_.nodes[row.node].is_stuck;
    };
    const Shape& shape = diagram_.shapes[s];
    if (!next_[s].empty() || std::ranges::any_of(shape.rows, is_stuck)) return false;
    if (shape.is_object && before_[s].empty()) return false;
    return std::ranges::all_of(before_[s],
                               [&](std::size_t b) { return places_[b] == Place::Knot; });
  }

  /// Without a knot the first who is stuck and what he waits for are the middle.
  void find_places() {
    places_.assign(diagram_.shapes.size(), Place::Behind);
    std::vector<std::size_t> todo;
    for (std::size_t n = 0; n < picture_.nodes.size(); ++n)
      if (picture_.nodes[n].in_knot) todo.push_back(shape_of_[n]);
    has_knot_ = !todo.empty();
    if (!has_knot_) todo.push_back(0);
    for (const std::size_t s : todo) places_[s] = Place::Knot;
    if (!has_knot_)
      for (std::size_t i = 0; i < todo.size(); ++i)
        for (const std::size_t s : next_[todo[i]]) {
          if (places_[s] == Place::Knot) continue;
          places_[s] = Place::Knot;
          todo.push_back(s);
        }
    for (std::size_t s = 0; s < places_.size(); ++s)
      if (places_[s] == Place::Behind && is_beside(s)) places_[s] = Place::Beside;
  }

  /// The knot as its arrows go; behind it first who waits, then for what.
  void follow(std::size_t s, std::vector<std::uint8_t>& seen) {
    std::vector<std::size_t> todo{s};
    while (!todo.empty()) {
      const std::size_t at = todo.back();
      todo.pop_back();
      if (seen[at] != 0 || places_[at] != Place::Knot) continue;
      seen[at] = 1;
      order_[static_cast<std::size_t>(Place::Knot)].push_back(at);
      for (std::size_t i = next_[at].size(); i-- > 0;) todo.push_back(next_[at][i]);
    }
  }

  void precede(std::size_t s, std::vector<std::uint8_t>& seen) {  // depth: shapes of a picture
    for (const std::size_t b : before_[s]) {
      if (seen[b] != 0 || places_[b] != Place::Behind) continue;
      seen[b] = 1;
      precede(b, seen);
      order_[static_cast<std::size_t>(Place::Behind)].push_back(b);
    }
  }

  void find_orders() {
    std::vector<std::uint8_t> seen(diagram_.shapes.size(), 0);
    for (std::size_t s = 0; s < seen.size(); ++s) follow(s, seen);
    for (const std::size_t s : order_[0]) precede(s, seen);
    for (std::size_t s = 0; s < seen.size(); ++s) {
      if (places_[s] == Place::Beside) order_[2].push_back(s);
      if (places_[s] != Place::Behind || seen[s] != 0) continue;
      seen[s] = 1;
      precede(s, seen);
      order_[1].push_back(s);
    }
    if (columns_ == Columns::One) {
      groups_ = {{Place::Knot, Place::Beside, Place::Behind}};
    } else {
      for (const Place place : {Place::Behind, Place::Knot, Place::Beside})
        if (!order_[static_cast<std::size_t>(place)].empty()) groups_.push_back({place});
    }
  }

  /// Lines of a shape below each other. @return its height
  static double fill(Shape& shape) {
    double y = shape.y + 6;
    for (Line& line : shape.title) line.y = (y += kLineHeight) - 4;
    if (!shape.title.empty()) y += 4;
    for (Diagram::Row& row : shape.rows) {
      row.y = y;
      for (Line& line : row.lines) line.y = (y += kLineHeight) - 4;
      row.height = (y += 6) - row.y;
    }
    shape.height = y + 2 - shape.y;
    return shape.height;
  }

  std::string_view heading(Place place) const {
    if (place == Place::Knot && !has_knot_) return "who waits for what";
    return kHeadings[static_cast<std::size_t>(place)];
  }

  void stack() {
    column_of_.resize(diagram_.shapes.size());
    rank_.resize(diagram_.shapes.size());
    std::vector<double> heights;
    for (std::size_t c = 0; c < groups_.size(); ++c) {
      double y = kMargin;
      std::size_t rank = 0;
      for (const Place place : groups_[c]) {
        const auto& order = order_[static_cast<std::size_t>(place)];
        if (order.empty()) continue;
        diagram_.headings.push_back({static_cast<double>(c), y + 14, heading(place)});
        y += kHeading;
        ++rank;  // nothing is straight below another group
        for (const std::size_t s : order) {
          diagram_.shapes[s].y = y;
          column_of_[s] = c;
          rank_[s] = rank++;
          y += fill(diagram_.shapes[s]) + kGap;
        }
      }
      heights.push_back(y - kGap + kMargin);
    }
    diagram_.height = *std::ranges::max_element(heights);
    for (std::size_t s = 0; s < diagram_.shapes.size(); ++s) {
      diagram_.shapes[s].y += (diagram_.height - heights[column_of_[s]]) / 2;
      fill(diagram_.shapes[s]);
    }
    for (Diagram::Heading& heading : diagram_.headings)
      heading.y += (diagram_.height - heights[static_cast<std::size_t>(heading.x)]) / 2;
  }

  const Diagram::Row& row_of(std::size_t node) const {
    const Shape& shape = diagram_.shapes[shape_of_[node]];
    return *std::ranges::find(shape.rows, node, &Diagram::Row::node);
  }

  bool is_straight(const Route& route, const Picture::Arrow& arrow) const {
    const Shape& from = diagram_.shapes[route.from];
    const Shape& to = diagram_.shapes[route.to];
    return column_of_[route.from] == column_of_[route.to] &&
           rank_[route.to] == rank_[route.from] + 1 && from.rows.back().node == arrow.from &&
           to.rows.front().node == arrow.to;
  }

  void choose_side(Route& route) const {
    const std::size_t from = column_of_[route.from], to = column_of_[route.to];
    if (from == to) {
      const bool on_left = groups_.size() > 1 && from == 0;
      route.gutter = on_left ? 0 : from + 1;
      route.leaves_right = !on_left;
      route.enters_left = on_left;
    } else {
      route.gutter = std::max(from, to);
      route.leaves_right = from < to;
      route.enters_left = from < to;
    }
  }

  void route() {
    std::map<std::size_t, int> leaving, entering;  // arrows of a node: each has its own height
    for (std::size_t a = 0; a < picture_.arrows.size(); ++a) {
      const Picture::Arrow& arrow = picture_.arrows[a];
      Route route{.arrow = a, .from = shape_of_[arrow.from], .to = shape_of_[arrow.to]};
      if (is_straight(route, arrow)) {
        route.gutter = kNone;
        routes_.push_back(route);
        continue;
      }
      choose_side(route);
      const Diagram::Row& from = row_of(arrow.from);
      const Diagram::Row& to = row_of(arrow.to);
      route.y1 = std::max(from.y + from.height - 10 - 6 * leaving[arrow.from]++, from.y + 4);
      route.y2 = std::min(to.y + 9 + 6 * entering[arrow.to]++, to.y + to.height - 4);
      routes_.push_back(route);
    }
    find_lanes();
  }

  /// Short ones next to the shapes, and none over another.
  void find_lanes() {
    std::vector<Route*> by_length;
    for (Route& route : routes_)
      if (route.gutter != kNone) by_length.push_back(&route);
    std::ranges::stable_sort(by_length, {}, [](const Route* route) {
      return std::max(route->y1, route->y2) - std::min(route->y1, route->y2);
    });
    lanes_.assign(groups_.size() + 1, 0);
    std::map<std::pair<std::size_t, std::size_t>, std::vector<std::pair<double, double>>> taken;
    for (Route* route : by_length) {
      const double low = std::min(route->y1, route->y2) - 5;
      const double high = std::max(route->y1, route->y2) + 5;
      const auto is_free = [&](std::size_t lane) {
        return std::ranges::none_of(taken[{route->gutter, lane}], [&](const auto& span) {
          return low < span.second && span.first < high;
        });
      };
      route->lane = 0;
      while (!is_free(route->lane)) ++route->lane;
      taken[{route->gutter, route->lane}].emplace_back(low, high);
      lanes_[route->gutter] = std::max(lanes_[route->gutter], route->lane + 1);
    }
  }

  double width_of_gutter(std::size_t gutter) const {
    const bool is_outer = gutter == 0 || gutter == groups_.size();
    if (lanes_[gutter] == 0) return is_outer ? kMargin : kGap;
    return 2 * kMargin + 2 * kEnd + kLane * static_cast<double>(lanes_[gutter]);
  }

  void set_across() {
    double x = 0;
    std::vector<double> left_of;
    for (std::size_t c = 0; c < groups_.size(); ++c) {
      gutter_at_.push_back(x);
      x += width_of_gutter(c);
      left_of.push_back(x);
      x += box_width_;
    }
    gutter_at_.push_back(x);
    diagram_.width = x + width_of_gutter(groups_.size());
    for (std::size_t s = 0; s < diagram_.shapes.size(); ++s) {
      diagram_.shapes[s].x = left_of[column_of_[s]];
      diagram_.shapes[s].width = box_width_;
    }
    for (Diagram::Heading& heading : diagram_.headings)
      heading.x = left_of[static_cast<std::size_t>(heading.x)] + box_width_ / 2;
  }

  void draw_straight(const Route& route) {
    const Shape& from = diagram_.shapes[route.from];
    const Shape& to = diagram_.shapes[route.to];
    const double x = from.x + from.width / 2;
    const double y = from.y + from.height;
    diagram_.paths.push_back({route.arrow, "M" + point(x, y) + "V" + pixels(to.y - kEnd),
                              "M" + point(x, to.y) + "l-4.5 -8h9z"});
  }

  void draw_bent(const Route& route) {
    const Shape& from = diagram_.shapes[route.from];
    const Shape& to = diagram_.shapes[route.to];
    const double begin = route.leaves_right ? from.x + from.width : from.x;
    const double end = route.enters_left ? to.x : to.x + to.width;
    // From the left side of a column lanes count leftwards.
    const bool leftwards = route.gutter == 0;
    const double offset = kMargin + kEnd + kLane * (static_cast<double>(route.lane) + 0.5);
    const double lane = leftwards ? width_of_gutter(0) - offset : gutter_at_[route.gutter] + offset;
    const double into = route.enters_left ? -1 : 1;  // where the arrow comes from
    const double out = route.leaves_right ? 1 : -1;
    const double down = route.y2 >= route.y1 ? 1 : -1;
    const double r = std::min(6.0, (route.y2 - route.y1) * down / 2);
    std::string line = "M" + point(begin, route.y1) + "H" + pixels(lane - out * r);
    line += "Q" + point(lane, route.y1) + " " + point(lane, route.y1 + down * r);
    line += "V" + pixels(route.y2 - down * r);
    line += "Q" + point(lane, route.y2) + " " + point(lane - into * r, route.y2);
    line += "H" + pixels(end + into * kEnd);
    diagram_.paths.push_back(
        {route.arrow, line, "M" + point(end, route.y2) + "l" + pixels(into * 8) + " -4.5v9z"});
  }

  void draw_paths() {
    for (const Route& route : routes_)
      if (route.gutter == kNone)
        draw_straight(route);
      else
        draw_bent(route);
  }

  const Picture& picture_;
  const Columns columns_;
  double box_width_ = 0;
  std::size_t letters_ = 0;
  bool has_knot_ = false;
  Diagram diagram_;
  std::vector<std::size_t> shape_of_;                    // node -> shape
  std::vector<std::vector<std::size_t>> next_, before_;  // shapes
  std::vector<Place> places_;
  std::array<std::vector<std::size_t>, 3> order_;  // by Place
  std::vector<std::vector<Place>> groups_;         // of a column
  std::vector<std::size_t> column_of_, rank_;      // by shape
  std::vector<Route> routes_;
  std::vector<std::size_t> lanes_;  // by gutter; gutter c is to the left of column c
  std::vector<double> gutter_at_;
};

}  // namespace

std::string pixels(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", value);
  std::string out = text;
  if (out.ends_with(".0")) out.resize(out.size() - 2);
  return out;
}

Diagram lay_out(const Picture& picture, Columns columns) {
  return Layout(picture, columns).run();
}

}  // namespace ipcdoctor::report
