#include "collect/redact.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace ipcdoctor::collect {
namespace {

constexpr std::size_t kShortestRandomWord = 20;

bool is_alnum(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](char c) { return lower(c); });
  return out;
}

bool is_name(char c) {
  return is_alnum(c) || c == '_' || c == '-' || c == '.';
}
bool ends_value(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '&' || c == ';' || c == '"' || c == '\'' ||
         c == ',' || c == '}' || c == ')';
}
/// The letters of base64, in both alphabets, and of hexadecimal numbers.
bool is_of_a_token(char c) {
  return is_alnum(c) || c == '+' || c == '_' || c == '-' || c == '=';
}

/// Bits of information a letter, by how often each occurs.
double entropy(std::string_view word) {
  std::array<std::size_t, 256> count{};
  for (const char c : word) ++count[static_cast<unsigned char>(c)];
  double bits = 0;
  for (const std::size_t n : count) {
    const double share = static_cast<double>(n) / static_cast<double>(word.size());
    if (n > 0) bits -= share * std::log2(share);
  }
  return bits;
}

/// Letters and digits mixed as no word of a language is: a key, a hash, base64.
bool looks_random(std::string_view word) {
  if (word.size() < kShortestRandomWord) return false;
  std::size_t changes = 0;  // between a letter and a digit, or small and capital within a word
  bool digit = false;
  for (std::size_t i = 0; i < word.size(); ++i) {
    digit |= is_digit(word[i]);
    if (i == 0 || !is_alnum(word[i]) || !is_alnum(word[i - 1])) continue;
    const auto kind = [](char c) { return is_digit(c) ? 0 : lower(c) == c ? 1 : 2; };
    if (kind(word[i]) != kind(word[i - 1])) ++changes;
  }
  return digit && changes * 5 >= word.size() && entropy(word) >= 3.0;
}

/// As their issuers document them.
bool has_known_prefix(std::string_view word) {
  static constexpr std::string_view kPrefixes[] = {"sk-",       "sk_live_", "sk_test_",
                                                   "rk_live_",  "pk_live_", "whsec_",
                                                   "ghp_",      "gho_",     "ghu_",
                                                   "ghs_",      "ghr_",     "github_pat_",
                                                   "glpat-",    "gldt-",    "glrt-",
                                                   "xoxb-",     "xoxp-",    "xoxa-",
                                                   "xoxs-",     "xoxr-",    "xapp-",
                                                   "AKIA",      "ASIA",     "AIza",
                                                   "ya29",      "eyJ",      "hf_",
                                                   "npm_",      "pypi-",    "dop_v1_",
                                                   "shpat_",    "shpss_",   "dckr_pat_",
                                                   "hvs",       "lin_api_", "figd_",
                                                   "ATATT",     "SG",       "AGE-SECRET-KEY-",
                                                   "rubygems_", "tskey-",   "dapi"};
  return std::ranges::any_of(kPrefixes, [&](std::string_view prefix) {
    return word.size() >= prefix.size() + 8 && word.starts_with(prefix);
  });
}

/// Random words and known prefixes; "a.b.c" of such is one token, as JWTs are.
std::string redact_tokens(std::string_view text) {
  std::string out;
  std::size_t at = 0;
  while (at < text.size()) {
    std::size_t end = at;
    while (end < text.size() && is_of_a_token(text[end])) ++end;
    if (end == at) {
      out += text[at++];
      continue;
    }
    const std::string_view word = text.substr(at, end - at);
    const bool dotted = end < text.size() && text[end] == '.';
    const bool known =
        has_known_prefix(word) || (dotted && (word == "ya29" || word == "SG" || word == "hvs"));
    if (known) {
      while (end < text.size() && (is_of_a_token(text[end]) || text[end] == '.')) ++end;
    }
    out += known || looks_random(word) ? kRedacted : word;
    at = end;
  }
  return out;
}

/// "scheme://user:secret@host", and "scheme://secret@host" where the user alone is random.
std::string redact_urls(std::string_view text) {
  std::string out(text);
  std::size_t at = 0;
  while ((at = out.find("://", at)) != std::string::npos) {
    at += 3;
    const std::size_t end = std::min(out.find_first_of("/?# \t\n\"'", at), out.size());
    const std::size_t host = out.rfind('@', end);
    if (host == std::string::npos || host < at) continue;
    const std::size_t colon = out.find(':', at);
    if (colon < host) {
      out.replace(colon + 1, host - colon - 1, kRedacted);
    } else if (host - at >= kShortestRandomWord) {
      out.replace(at, host - at, kRedacted);
    }
  }
  return out;
}

/// "Bearer x", "Basic x", in any case.
std::string redact_schemes(std::string_view text) {
  std::string out(text);
  for (const std::string_view scheme : {"bearer ", "basic ", "digest ", "negotiate "}) {
    std::size_t at = 0;
    while ((at = lower(out).find(scheme, at)) != std::string::npos) {
      const bool whole = at == 0 || !is_alnum(out[at - 1]);
      at += scheme.size();
      const std::size_t end = std::min(out.find_first_of(" \t\n\"',", at), out.size());
      if (whole && end > at) out.replace(at, end - at, kRedacted);
    }
  }
  return out;
}

/// "name=value", "name: value" and "\"name\": \"value\"" anywhere in the text.
std::string redact_named(std::string_view text) {
  std::string out;
  std::size_t at = 0;
  while (at < text.size()) {
    std::size_t end = at;
    while (end < text.size() && is_name(text[end])) ++end;
    if (end == at) {
      out += text[at++];
      continue;
    }
    const std::string_view name = text.substr(at, end - at);
    out += name;
    at = end;
    std::size_t value = end;
    if (value < text.size() && (text[value] == '"' || text[value] == '\'')) ++value;
    if (value >= text.size() || (text[value] != '=' && text[value] != ':')) continue;
    const bool header = text[value] == ':';
    ++value;
    if (header && text.substr(value).starts_with("//")) continue;  // a scheme
    while (value < text.size() && (text[value] == ' ' || text[value] == '"' || text[value] == '\''))
      ++value;
    if (!names_a_secret(name) || value >= text.size()) continue;
    std::size_t rest = value;
    // what follows the name of a header may have spaces
    while (rest < text.size() && (!ends_value(text[rest]) || (header && text[rest] == ' '))) ++rest;
    out += text.substr(at, value - at);
    if (rest > value) out += kRedacted;
    at = rest;
  }
  return out;
}

}  // namespace

bool names_a_secret(std::string_view name) {
  static constexpr std::string_view kAnywhere[] = {
      "password",   "passwd",  "passphrase", "secret",        "token",  "apikey",
      "credential", "private", "signature",  "authorization", "cookie", "accesskey"};
  static constexpr std::string_view kWords[] = {"pass",  "pwd",    "key", "auth",    "pin",
                                                "sig",   "jwt",    "otp", "session", "sid",
                                                "creds", "bearer", "pw",  "pat"};
  const std::string text = lower(name);
  const auto in_text = [&](std::string_view word) { return text.find(word) != std::string::npos; };
  if (std::ranges::any_of(kAnywhere, in_text)) return true;
  std::string word;
  for (const char c : text + "-") {
    if (is_alnum(c)) {
      word += c;
      continue;
    }
    if (std::ranges::find(kWords, word) != std::end(kWords)) return true;
    word.clear();
  }
  return false;
}

std::string redact(std::string_view text) {
  if (text.find("-----BEGIN") != std::string_view::npos) return std::string(kRedacted);
  return redact_tokens(redact_named(redact_schemes(redact_urls(text))));
}

}  // namespace ipcdoctor::collect
