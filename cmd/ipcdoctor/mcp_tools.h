#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "base/result.h"

/// The tools that a program gets over the Model Context Protocol. All of them only look, and say
/// what the reports say.
namespace ipcdoctor::cmd {

/// What tools/list answers.
nlohmann::json mcp_tools();

bool is_mcp_tool(const std::string& name);

/// The text that the tool answers. @return what a person would be told, also of wrong arguments
Result<std::string> call_mcp_tool(const std::string& name, const nlohmann::json& arguments);

}  // namespace ipcdoctor::cmd
