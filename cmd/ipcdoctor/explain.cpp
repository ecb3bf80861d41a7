#include "explain.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>
#include <memory>
#include <sstream>

#include "commands.h"
#include "exit_code.h"
#include "probes/all_probes.h"
#include "probes/pages.h"
#include "report/layout.h"
#include "reports.h"
#include "suggest.h"

namespace ipcdoctor::cmd {
namespace {

/// "IPC101" and "ipc101" mean the class of that code; underscores are as good as hyphens.
std::string slug_of(std::string name) {
  std::ranges::replace(name, '_', '-');
  std::ranges::transform(name, name.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  for (const diagnosis::Probe* probe : probes::all_probes()) {
    std::string code = probe->code;
    std::ranges::transform(code, code.begin(),
                           [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    if (code == name) return probe->slug;
  }
  return name;
}

std::vector<std::string> slugs() {
  std::vector<std::string> all;
  for (const probes::Page& page : probes::pages()) all.emplace_back(page.slug);
  return all;
}

/// Lines of more than 100 columns are hard to read.
constexpr int kMaxWidth = 100;

/// A page with its paragraphs and the entries of its lists as wide as the terminal; headings and
/// code as they are.
std::string filled(std::string_view page, std::size_t width) {
  std::string out, paragraph;
  const auto end_paragraph = [&] {
    if (paragraph.empty()) return;
    const std::size_t begin = paragraph.find_first_not_of(' ');
    const bool is_item = paragraph.compare(begin, 2, "* ") == 0;
    const std::string indent(begin, ' ');
    out += report::wrap(paragraph.substr(begin), width, indent, indent + (is_item ? "  " : ""));
    paragraph.clear();
  };
  std::istringstream lines{std::string(page)};
  for (std::string line; std::getline(lines, line);) {
    const bool stands = line.empty() || line.starts_with("#") || line.starts_with("    ");
    const std::size_t begin = stands ? 0 : line.find_first_not_of(' ');
    const bool is_item = !stands && line.compare(begin, 2, "* ") == 0;
    if (stands || is_item) end_paragraph();
    if (stands) {
      out += line + '\n';
      continue;
    }
    paragraph += (paragraph.empty() ? "" : " ") + line.substr(is_item ? 0 : begin);
  }
  end_paragraph();
  return out;
}

int explain(const std::string& name) {
  const Result<std::string> page = page_of(name);
  if (!page) return fail(kUsage, page.error().what);
  std::cout << filled(*page,
                      static_cast<std::size_t>(std::min(width_of(STDOUT_FILENO), kMaxWidth)));
  return kNoFinding;
}

}  // namespace

Result<std::string> page_of(const std::string& name) {
  std::string page = probes::page_of(slug_of(name));
  if (page.empty())
    return Error{
        Cause::Unsupported, 0,
        "no class " + name + did_you_mean(name, slugs()) + " (`ipcdoctor probes` lists them)"};
  return page;
}

void add_explain(CLI::App& app, Command& command) {
  auto name = std::make_shared<std::string>();
  CLI::App* explain_command =
      app.add_subcommand("explain", "what a class means, how it is found, what to do");
  explain_command->add_option("CLASS", *name, "such as unclosed-write-end or IPC101")->required();
  explain_command->footer("\nExample: ipcdoctor explain IPC101 | less");
  explain_command->callback([name, &command] { command = [name] { return explain(*name); }; });
}

}  // namespace ipcdoctor::cmd
