#include <nlohmann/json.hpp>

#include "process_for_tests.h"

/// The Model Context Protocol as a client speaks it.
namespace ipcdoctor::cmd::testing {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;

/// What is answered to these lines, in order, until the server ends with its input.
std::vector<json> answers(const std::string& lines) {
  const std::string path = ::testing::TempDir() + "mcp." + std::to_string(::getpid());
  std::ofstream(path) << lines;
  const Result result = run_command({"sh", "-c", IPCDOCTOR_BINARY " mcp <" + path});
  std::istringstream out(result.output);
  ::unlink(path.c_str());
  std::vector<json> all;
  for (std::string line; std::getline(out, line);) all.push_back(json::parse(line, nullptr, false));
  return all;
}

json request(int id, const char* method, const json& params) {
  return {{"jsonrpc", "2.0"}, {"id", id}, {"method", method}, {"params", params}};
}

json call(int id, const char* tool, const json& arguments) {
  return request(id, "tools/call", {{"name", tool}, {"arguments", arguments}});
}

std::string lines_of(const std::vector<json>& messages) {
  std::string out;
  for (const json& message : messages) out += message.dump() + "\n";
  return out;
}

std::string text_of(const json& answer) {
  return answer["result"]["content"][0]["text"];
}

TEST(Mcp, AgreesOnAVersionThatBothKnow) {
  for (const auto& [asked, agreed] :
       std::vector<std::pair<std::string, std::string>>{{"2025-06-18", "2025-06-18"},
                                                        {"2024-11-05", "2024-11-05"},
                                                        {"2099-01-01", "2025-06-18"}}) {
    const auto got = answers(lines_of(
        {request(1, "initialize", {{"protocolVersion", asked}, {"capabilities", json::object()}}),
         {{"jsonrpc", "2.0"}, {"method", "notifications/initialized"}}}));
    ASSERT_EQ(got.size(), 1U) << "a notification is not answered";
    EXPECT_EQ(got[0]["id"], 1);
    EXPECT_EQ(got[0]["result"]["protocolVersion"], agreed);
    EXPECT_TRUE(got[0]["result"]["capabilities"].contains("tools"));
    EXPECT_EQ(got[0]["result"]["serverInfo"]["name"], "ipcdoctor");
  }
}

TEST(Mcp, HasFiveToolsThatOnlyRead) {
  const auto got = answers(lines_of({request(1, "tools/list", json::object())}));

  std::vector<std::string> names;
  for (const json& tool : got.at(0)["result"]["tools"]) {
    names.push_back(tool["name"]);
    EXPECT_EQ(tool["annotations"]["readOnlyHint"], true);
    EXPECT_EQ(tool["inputSchema"]["type"], "object");
    EXPECT_TRUE(tool["inputSchema"]["required"].is_array());
  }
  EXPECT_THAT(names, ::testing::ElementsAre("attach", "stacks", "tree", "analyze", "explain"));
}

TEST(Mcp, DiagnosesAProgramThatHangsAndLetsItBe) {
  Process program({IPCDOCTOR_PROGRAMS "/unclosed_write_end/parent_keeps_end"}, false);
  program.read_until("READY");
  std::this_thread::sleep_for(300ms);
  const json pids = {{"pids", json::array({program.pid()})}};
  json as_json = pids;
  as_json["format"] = "json";

  const auto got = answers(lines_of({call(1, "attach", pids), call(2, "attach", as_json),
                                     call(3, "stacks", pids), call(4, "tree", pids)}));

  ASSERT_EQ(got.size(), 4U);
  EXPECT_THAT(text_of(got[0]), HasSubstr("## DEADLOCK: unclosed-write-end"));
  EXPECT_EQ(json::parse(text_of(got[1]))["schema"], "ipcdoctor/report/1");
  EXPECT_THAT(text_of(got[2]), HasSubstr("parent_keeps_end.c:"));
  EXPECT_THAT(text_of(got[3]), HasSubstr("<- to blame"));
  EXPECT_THAT(read_file("/proc/" + std::to_string(program.pid()) + "/status"),
              HasSubstr("TracerPid:\t0"));
}

TEST(Mcp, AnalyzesSnapshotsAndExplainsClasses) {
  const auto got = answers(lines_of(
      {call(1, "analyze", {{"file", IPCDOCTOR_TESTDATA "/snapshots/self_deadlock/relock.c.json"}}),
       call(2, "explain", json::object({{"class", "IPC101"}}))}));

  ASSERT_EQ(got.size(), 2U);
  EXPECT_THAT(text_of(got[0]), HasSubstr("self-deadlock"));
  EXPECT_THAT(text_of(got[1]), HasSubstr("unclosed-write-end"));
}

TEST(Mcp, WhatAToolCannotDoIsItsErrorAndTheServerGoesOn) {
  const std::string nested = ::testing::TempDir() + "nested." + std::to_string(::getpid());
  std::ofstream(nested) << std::string(1'000'000, '[');
  const std::vector<json> calls = {
      call(1, "attach", json::object({{"pids", json::array({1 << 21})}})),
      call(2, "attach", json::object()),
      call(3, "attach", json::object({{"pids", json::array({"1"})}})),
      call(4, "attach", json::object({{"pids", json::array({-1})}})),
      call(5, "attach", {{"pids", json::array({1})}, {"stop", "always"}}),
      call(6, "analyze", json::object({{"file", "/dev/zero"}})),
      call(7, "analyze", json::object({{"file", "/etc/passwd"}})),
      call(8, "explain", json::object({{"class", "no-such-class"}})),
      call(9, "tree", json::array()),
      call(10, "analyze", {{"file", nested}}),
      call(11, "analyze", {{"file", "-"}})};
  std::vector<json> messages = calls;
  messages.push_back(request(12, "ping", json::object()));

  const auto got = answers(lines_of(messages));
  ::unlink(nested.c_str());

  ASSERT_EQ(got.size(), messages.size());
  for (std::size_t i = 0; i < calls.size(); ++i) {
    EXPECT_EQ(got[i]["result"]["isError"], true) << got[i];
    EXPECT_THAT(text_of(got[i]), Not(HasSubstr("root:"))) << "nothing of a file that is none";
  }
  EXPECT_EQ(got.back()["result"], json::object());
}

TEST(Mcp, AnswersWhatIsNoMessageWithTheCodesOfJsonRpc) {
  const auto got = answers("{no json}\n\n[]\n" + std::string(3 << 20, 'x') + "\n" +
                           lines_of({request(1, "resources/list", json::object()),
                                     call(2, "run", json::object()),
                                     {{"jsonrpc", "2.0"}, {"id", 3}},
                                     {{"jsonrpc", "2.0"}, {"id", 4}, {"result", 1}},
                                     {{"jsonrpc", "2.0"}, {"id", nullptr}, {"method", "ping"}}}) +
                           std::string(100000, '[') + "\n");

  std::vector<int> codes;
  for (const json& answer : got) codes.push_back(answer["error"]["code"]);
  EXPECT_THAT(codes, ::testing::ElementsAre(-32700, -32600, -32600, -32601, -32602, -32600, -32600,
                                            -32700));
}

}  // namespace
}  // namespace ipcdoctor::cmd::testing
