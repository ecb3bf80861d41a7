// Recorded snapshots in which single values are others: 2 bytes say which snapshot, then 4 each
// which value, and what it is. Unlike changed bytes these nearly all get through the parser.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>

#include "report_on.h"

using namespace ipcdoctor;
using nlohmann::json;

namespace {

constexpr std::size_t kMaxChanges = 12;

std::vector<json> recorded() {
  std::vector<std::filesystem::path> paths;
  for (const auto& file :
       std::filesystem::recursive_directory_iterator(IPCDOCTOR_TESTDATA "/snapshots"))
    if (file.path().extension() == ".json" && file.file_size() < 60'000)
      paths.push_back(file.path());
  std::ranges::sort(paths);
  std::vector<json> snapshots;
  for (const auto& path : paths) {
    std::ifstream in(path);
    snapshots.push_back(json::parse(in));
  }
  return snapshots;
}

void add_nodes(json& node, std::vector<json*>& nodes) {
  nodes.push_back(&node);
  if (node.is_structured())
    for (json& inner : node) add_nodes(inner, nodes);
}

void change(json& document, std::size_t which, std::uint8_t what) {
  std::vector<json*> nodes;
  add_nodes(document, nodes);
  json& node = *nodes[which % nodes.size()];
  static const std::vector<json> kValues = {0,
                                            -1,
                                            1,
                                            nullptr,
                                            "",
                                            "a",
                                            true,
                                            json::array(),
                                            json::object(),
                                            1e308,
                                            -1e308,
                                            0.5,
                                            std::numeric_limits<std::uint32_t>::max(),
                                            std::numeric_limits<std::int64_t>::min(),
                                            std::numeric_limits<std::int64_t>::max(),
                                            std::numeric_limits<std::uint64_t>::max(),
                                            std::string(5000, 'x'),
                                            "\x1b[31m\n</script>"};
  if (what < 128) {
    node = kValues[what % kValues.size()];
  } else {  // that of another place
    json other = *nodes[(which + what * 31U) % nodes.size()];
    node = std::move(other);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::vector<json> snapshots = recorded();
  if (size < 6 || snapshots.empty()) return 0;
  json document = snapshots[(data[0] + data[1] * 256U) % snapshots.size()];
  for (std::size_t at = 2, n = 0; at + 4 <= size && n < kMaxChanges; at += 4, ++n)
    change(document, data[at] + data[at + 1] * 256U + data[at + 2] * 65536U, data[at + 3]);
  if (document.is_object()) load_and_report(document.dump());
  return 0;
}
