#pragma once

#include <string>
#include <string_view>

namespace ipcdoctor::collect {

inline constexpr std::string_view kRedacted = "***";

/// Whether a value of this name is a secret: "db-password", "API_TOKEN", "--key". Words as short as
/// "key" count only as a part of their own, not in "monkey".
bool names_a_secret(std::string_view name);

/// `text` with *** for what looks like a secret: values behind such names ("token=x", "X-Api-Key:
/// x",
/// "?sig=x"), the password of a URL, what follows Bearer or Basic, tokens with the prefixes that
/// their issuers document, and long words of letters and digits without a pattern. A guess: it may
/// miss one, and hide what is none.
std::string redact(std::string_view text);

}  // namespace ipcdoctor::collect
