#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <ostream>

#include "base/text.h"
#include "report/markup.h"
#include "report/report.h"

namespace ipcdoctor::report {
namespace {

using nlohmann::json;

json location(const Place& place, const std::string& message) {
  json out = {{"message", {{"text", escape_untrusted(message)}}}};
  if (place.line > 0) {
    // A URI: all that is not unreserved is percent-encoded (RFC 3986).
    static constexpr char kHex[] = "0123456789ABCDEF";
    std::string uri = place.file.starts_with('/') ? "file://" : "";
    for (const char c : escape_untrusted(place.file)) {
      const auto byte = static_cast<unsigned char>(c);
      const bool plain = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
                         (byte >= '0' && byte <= '9') || byte == '-' || byte == '.' ||
                         byte == '_' || byte == '~' || byte == '/';
      if (plain)
        uri += c;
      else
        uri += {'%', kHex[byte >> 4], kHex[byte & 15]};
    }
    out["physicalLocation"] = {{"artifactLocation", {{"uri", uri}}},
                               {"region", {{"startLine", place.line}}}};
  }
  return out;
}

json result_of(const Report& report, const diagnosis::Finding& finding) {
  json related = json::array();
  for (const diagnosis::StuckTask& stuck : finding.stuck) {
    const Place place = place_of(report, stuck.task, stuck.where);
    if (place.line == 0) continue;
    json one = location(place, snapshot::number_of(report.snapshot, stuck.task.pid) +
                                   " waits for " + stuck.waits_for);
    if (std::ranges::find(related, one) == related.end()) related.push_back(std::move(one));
  }
  json result = {
      {"ruleId", escape_untrusted(finding.code)},
      {"level", is_failure(finding) ? "error" : "note"},
      {"message", {{"text", safe_lines(finding.title) + ".\nFix: " + safe_lines(finding.fix)}}},
      {"locations", json::array()},
      {"relatedLocations", std::move(related)},
      {"properties",
       {{"verdict", to_string(finding.verdict)}, {"grade", to_string(finding.grade)}}}};
  if (const Place place = place_of(report, finding); place.line > 0) {
    json only = location(place, finding.title);
    only.erase("message");
    result["locations"].push_back(std::move(only));
  }
  return result;
}

}  // namespace

/// SARIF 2.1.0 (OASIS), one run, one result a finding.
void write_sarif(std::ostream& out, const Report& report) {
  std::map<std::string, std::string> rules;
  json results = json::array();
  for (const diagnosis::Finding& finding : report.diagnosis.findings) {
    rules[finding.code] = finding.slug;
    results.push_back(result_of(report, finding));
  }
  json rule_list = json::array();
  for (const auto& [code, slug] : rules) {
    rule_list.push_back({{"id", escape_untrusted(code)},
                         {"name", escape_untrusted(slug)},
                         {"shortDescription", {{"text", escape_untrusted(slug)}}}});
  }
  const json document = {
      {"$schema", "https://json.schemastore.org/sarif-2.1.0.json"},
      {"version", "2.1.0"},
      {"runs",
       {{{"tool",
          {{"driver", {{"name", "ipcdoctor"}, {"version", report.version}, {"rules", rule_list}}}}},
         {"results", std::move(results)}}}}};
  out << document.dump(1, ' ', true, json::error_handler_t::replace) << '\n';
}

}  // namespace ipcdoctor::report
