#include "mcp_tools.h"

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string_view>

#include "commands.h"
#include "examine.h"
#include "explain.h"
#include "probes/all_probes.h"
#include "report/tree.h"
#include "snapshot_file.h"
#include "version.h"

namespace ipcdoctor::cmd {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxPids = 64;

Error wrong(const std::string& text) {
  return Error{Cause::Malformed, 0, text};
}

/// As `--format`; brief is what fits the memory of the reader.
std::string render(const report::Report& given, const json& arguments) {
  report::Report report = given;
  report.version = kVersion;
  const std::string format = arguments.value("format", "brief");
  std::ostringstream out;
  if (format == "json")
    report::write_json(out, report);
  else if (format == "text")
    report::write_text(out, report, {.width = 100, .stacks = arguments.value("verbose", false)});
  else
    report::write_brief(out, report);
  return std::move(out).str();
}

std::vector<Pid> pids_in(const json& arguments) {
  std::vector<Pid> pids;
  for (const json& pid : arguments.at("pids")) pids.emplace_back(pid.get<int>());
  return pids;
}

ReportOptions report_options(const json& arguments) {
  ReportOptions options;
  options.verbose = arguments.value("verbose", false);
  return options;
}

Result<std::string> attach(const json& arguments) {
  const Result<Examination> examination =
      examine(pids_in(arguments), {}, report_options(arguments), Watching::WhereItMayTell);
  if (!examination) return examination.error();
  return render(examination->report(), arguments);
}

Result<std::string> stacks(const json& arguments) {
  collect::Options options;
  options.depth = collect::Depth::Stacks;
  if (arguments.value("verbose", false)) options.symbols = collect::Symbols::All;
  const Result<snapshot::Snapshot> snapshot = collect::collect(pids_in(arguments), options);
  if (!snapshot) return snapshot.error();
  std::ostringstream out;
  report::write_stacks_text(out, *snapshot);
  return std::move(out).str();
}

Result<std::string> tree(const json& arguments) {
  const Result<Examination> examination = examine(pids_in(arguments), {}, {}, Watching::Never);
  if (!examination) return examination.error();
  std::ostringstream out;
  report::write_tree(out, examination->report(),
                     {.width = 200,
                      .likeness = arguments.value("verbose", false) ? report::Likeness::Each
                                                                    : report::Likeness::Folded});
  return std::move(out).str();
}

Result<std::string> analyze(const json& arguments) {
  const auto file = arguments.at("file").get<std::string>();
  // An open of a FIFO would wait for its writer, one of a device may do anything.
  std::error_code unknown;
  if (std::filesystem::exists(file, unknown) && !std::filesystem::is_regular_file(file, unknown))
    return wrong("no regular file: " + file);
  auto snapshots = load_files({std::filesystem::absolute(file, unknown)});  // "-" is a file, too
  if (!snapshots) return snapshots.error();
  if (snapshots->size() > 1) return wrong("several snapshots, which `ipcdoctor analyze` takes");
  return render(examine(std::move(snapshots->front())).report(), arguments);
}

Result<std::string> explain(const json& arguments) {
  return page_of(arguments.at("class").get<std::string>());
}

// What the arguments may be, as JSON Schema and for check().
json pids() {
  return {{"type", "array"},
          {"items", {{"type", "integer"}, {"minimum", 1}, {"maximum", 4194304}}},
          {"minItems", 1},
          {"maxItems", kMaxPids},
          {"description", "process ids; their job and descendants are looked at too"}};
}
json flag(const char* description) {
  return {{"type", "boolean"}, {"description", description}};
}
json text(const char* description) {
  return {{"type", "string"}, {"description", description}};
}
json format() {
  return {{"type", "string"},
          {"enum", {"brief", "text", "json"}},
          {"description", "brief (default): 40 lines of Markdown; json: ipcdoctor/report/1"}};
}

struct Tool {
  std::string_view name;
  const char* title;
  const char* description;
  json properties;
  const char* required;
  Result<std::string> (*call)(const json& arguments);
};

const std::vector<Tool>& tools() {
  static const std::vector<Tool> kTools = {
      {"attach",
       "Diagnose processes that hang",
       "Says why a tree of processes hangs: verdict, who waits for whom, which processes and "
       "descriptors are to blame, at which line, and the fix. The processes are not stopped.",
       {{"pids", pids()}, {"format", format()}, {"verbose", flag("text: all stacks and evidence")}},
       "pids",
       attach},
      {"stacks",
       "Stacks of all threads",
       "Where each thread of a tree of processes is, Python and native, without stopping it.",
       {{"pids", pids()}, {"verbose", flag("native frames of Python's threads too")}},
       "pids",
       stacks},
      {"tree",
       "What each thread waits for",
       "A tree of processes, a line a thread with what it waits for; alike ones are counted.",
       {{"pids", pids()}, {"verbose", flag("a line for each, also where many are alike")}},
       "pids",
       tree},
      {"analyze",
       "Diagnose a saved snapshot",
       "The same as attach for a file of `ipcdoctor save`.",
       {{"file", text("its path")},
        {"format", format()},
        {"verbose", flag("text: all stacks and evidence")}},
       "file",
       analyze},
      {"explain", "What a class of deadlock means",
       "What a class means, how it is detected, when that is wrong, and what to do.",
       json::object({{"class", text("such as unclosed-write-end or IPC101")}}), "class", explain},
  };
  return kTools;
}

bool has_type(const json& value, const std::string& type) {
  return type == "array"     ? value.is_array()
         : type == "integer" ? value.is_number_integer()
         : type == "boolean" ? value.is_boolean()
                             : value.is_string();
}

/// As far as the schemas above go.
Status check_value(const std::string& name, const json& value, const json& schema) {
  if (!has_type(value, schema["type"].get<std::string>()))
    return wrong(name + " is no " + schema["type"].get<std::string>());
  if (schema.contains("enum") && std::ranges::find(schema["enum"], value) == schema["enum"].end())
    return wrong(name + " is none of " + schema["enum"].dump());
  if (schema.contains("minimum") && (value < schema["minimum"] || value > schema["maximum"]))
    return wrong(name + " is out of range");
  if (!schema.contains("items")) return Done{};
  if (value.empty() || value.size() > kMaxPids)
    return wrong(name + " has not 1 to " + std::to_string(kMaxPids) + " items");
  for (const json& item : value)
    if (Status status = check_value("an item of " + name, item, schema["items"]); !status)
      return status;
  return Done{};
}

Status check(const Tool& tool, const json& arguments) {
  if (!arguments.is_object()) return wrong("arguments is no object");
  if (!arguments.contains(tool.required)) return wrong(std::string(tool.required) + " is missing");
  for (const auto& [name, value] : arguments.items()) {
    if (!tool.properties.contains(name)) return wrong("no argument " + name);
    if (Status status = check_value(name, value, tool.properties[name]); !status) return status;
  }
  return Done{};
}

}  // namespace

json mcp_tools() {
  json list = json::array();
  for (const Tool& tool : tools())
    list.push_back({{"name", tool.name},
                    {"title", tool.title},
                    {"description", tool.description},
                    {"inputSchema",
                     {{"type", "object"},
                      {"properties", tool.properties},
                      {"required", json::array({tool.required})},
                      {"additionalProperties", false}}},
                    {"annotations",
                     {{"title", tool.title},
                      {"readOnlyHint", true},
                      {"destructiveHint", false},
                      {"idempotentHint", true},
                      {"openWorldHint", false}}}});
  return list;
}

bool is_mcp_tool(const std::string& name) {
  return std::ranges::find(tools(), name, &Tool::name) != tools().end();
}

Result<std::string> call_mcp_tool(const std::string& name, const json& arguments) {
  const auto tool = std::ranges::find(tools(), name, &Tool::name);
  if (tool == tools().end()) return wrong("no tool " + name);
  if (const Status status = check(*tool, arguments); !status) return status.error();
  return tool->call(arguments);
}

}  // namespace ipcdoctor::cmd
