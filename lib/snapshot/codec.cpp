#include "snapshot/codec.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <ostream>
#include <string_view>

#include "snapshot/enumerators.h"
#include "snapshot/json_bounds.h"

namespace ipcdoctor {

/// For a word of another version; none where every word means something.
template <snapshot::Enumerated E>
constexpr std::optional<E> unknown() {
  if constexpr (requires { E::Unknown; }) return E::Unknown;
  if constexpr (std::is_same_v<E, snapshot::Operation>) return E::None;
  if constexpr (std::is_same_v<E, snapshot::Part>) return E::Program;
  return std::nullopt;
}

/// A file may hold anything where we write the name of an enumerator.
template <snapshot::Enumerated E>
static void to_json(nlohmann::json& j, E value) {
  j = snapshot::enumerator(value);
}
template <snapshot::Enumerated E>
static void from_json(const nlohmann::json& j, E& value) {
  auto known = snapshot::find_enumerator<E>(j.get_ref<const std::string&>());
  if (!known) known = unknown<E>();
  if (!known) throw nlohmann::json::out_of_range::create(401, "no such enumerator", &j);
  value = *known;
}

static void to_json(nlohmann::json& j, const Error& e) {
  j = {snapshot::enumerator(e.cause), e.number, e.what};
}
static void from_json(const nlohmann::json& j, Error& e) {
  from_json(j.at(0), e.cause);
  j.at(1).get_to(e.number);
  j.at(2).get_to(e.what);
}

}  // namespace ipcdoctor

namespace nlohmann {

template <class Tag, class Rep>
struct adl_serializer<ipcdoctor::Id<Tag, Rep>> {
  static void to_json(json& j, const ipcdoctor::Id<Tag, Rep>& id) { j = id.value; }
  static void from_json(const json& j, ipcdoctor::Id<Tag, Rep>& id) { j.get_to(id.value); }
};

/// {"value": T} or {"error": {...}}; nothing at all stands for "not read".
template <class T>
struct adl_serializer<ipcdoctor::Result<T>> {
  static void to_json(json& j, const ipcdoctor::Result<T>& result) {
    if (result) {
      j = json{{"value", *result}};
    } else {
      j = json{{"error", result.error()}};
    }
  }
  static void from_json(const json& j, ipcdoctor::Result<T>& result) {
    if (const auto value = j.find("value"); value != j.end()) {
      result = value->get<T>();
    } else {
      result = j.at("error").get<ipcdoctor::Error>();
    }
  }
};

}  // namespace nlohmann

namespace ipcdoctor::snapshot {

// Found by argument-dependent lookup, so they stand in the namespace of their types.
static constexpr const char* kSchema = "ipcdoctor/snapshot/3";
static constexpr const char* kBegin = "{\"schema\":\"ipcdoctor/snapshot/";

using nlohmann::json;

// Also for the enumerations of this namespace.
using ipcdoctor::from_json;
using ipcdoctor::to_json;

static void to_json(json& j, const ObjectId& id) {
  j = {enumerator(id.kind), id.dev, id.ino};
}
static void from_json(const json& j, ObjectId& id) {
  id = ObjectId{j.at(0).get<ObjectKind>(), j.at(1).get<std::uint64_t>(),
                j.at(2).get<std::uint64_t>()};
}
static void to_json(json& j, const Fd& f) {
  j = {f.fd, f.object, enumerator(f.access)};
}
static void from_json(const json& j, Fd& f) {
  f = Fd{j.at(0).get<int>(), j.at(2).get<Access>(), j.at(1).get<ObjectId>()};
}

/// "feeder_exists" of Number::FeederExists
template <Enumerated E>
static std::string key_of(E value) {
  std::string key;
  for (const char letter : enumerator(value)) {
    const bool is_capital = letter >= 'A' && letter <= 'Z';
    if (is_capital && !key.empty()) key += '_';
    key += static_cast<char>(is_capital ? letter - 'A' + 'a' : letter);
  }
  return key;
}

template <class Key, class Value>
static void to_json(json& j, const Facts<Key, Value>& facts) {
  j = json::object();
  for (const auto& [key, value] : facts) j[key_of(key)] = value;
}
/// What a key was called before activities were saved in words; nullptr: as now.
static const char* former_key(Number key) {
  return key == Number::Doer ? "executor" : key == Number::Exitcode ? "returncode" : nullptr;
}
template <class Key>
static const char* former_key(Key) {
  return nullptr;
}

/// A key of another version is none that a rule of ours reads.
template <class Key, class Value>
static void from_json(const json& j, Facts<Key, Value>& facts) {
  if (!j.is_object()) throw json::type_error::create(302, "no object", &j);
  facts = {};
  for (std::size_t number = 0; number < kNames<Key>.size(); ++number) {
    const auto key = static_cast<Key>(number);
    auto it = j.find(key_of(key));
    if (const char* former = former_key(key); it == j.end() && former != nullptr)
      it = j.find(former);
    if (it != j.end()) facts.set(key, it->template get<Value>());
  }
}

static void to_json(json& j, const std::vector<Process>& list);
static void from_json(const json& j, std::vector<Process>& list);
static void to_json(json& j, const std::vector<Thread>& list);
static void from_json(const json& j, std::vector<Thread>& list);

/// What a member was called before activities were saved in words; nullptr: as now.
static const char* former_name(std::string_view name) {
  if (name == "interpreted" || name == "interpreter") return "python";
  return name == "is_interpreted" ? "is_python" : nullptr;
}

/// A member that is not there keeps its value.
template <class T>
static void get_if_there(const json& j, const char* name, T& member) {
  auto it = j.find(name);
  if (const char* former = former_name(name); it == j.end() && former != nullptr)
    it = j.find(former);
  if (it != j.end()) it->get_to(member);
}

#define IPCDOCTOR_PUT(member) j[#member] = value.member;
#define IPCDOCTOR_GET(member) get_if_there(j, #member, value.member);
#define IPCDOCTOR_FIELDS(Type, ...)                                           \
  static void to_json(json& j, const Type& value) {                           \
    NLOHMANN_JSON_EXPAND(NLOHMANN_JSON_PASTE(IPCDOCTOR_PUT, __VA_ARGS__))     \
  }                                                                           \
  static void from_json(const json& j, Type& value) {                         \
    if (!j.is_object()) throw json::type_error::create(302, "no object", &j); \
    NLOHMANN_JSON_EXPAND(NLOHMANN_JSON_PASTE(IPCDOCTOR_GET, __VA_ARGS__))     \
  }
#include "snapshot/fields.inc"
#undef IPCDOCTOR_FIELDS
#undef IPCDOCTOR_GET
#undef IPCDOCTOR_PUT

static json without_repeated(const json& before, json whole) {
  json brief = json::object();
  for (auto& [name, member] : whole.items())
    if (before.is_null() || before[name] != member) brief[name] = std::move(member);
  return brief;
}

/// Members that are as in the element before are left out, and those of a first thread that are as
/// in the first thread of the process before: ten thousand in one place differ by little more than
/// their numbers.
template <class T>
static void write_row(json& j, const std::vector<T>& list) {
  j = json::array();
  json before;
  for (const T& element : list) {
    json whole = element;
    json& brief = j.emplace_back(without_repeated(before, whole));
    const auto threads = brief.find("threads");
    if (threads != brief.end() && !threads->empty() && !before.is_null() &&
        !before["threads"].empty())
      threads->front() = without_repeated(before["threads"].front(), threads->front());
    before = std::move(whole);
  }
}

/// @param list  of the element before
template <class T>
static void read_row(const json& j, std::vector<T>& list) {
  if (!j.is_array()) throw json::type_error::create(302, "no array", &j);
  T before = list.empty() ? T{} : std::move(list.front());
  list.clear();
  for (const json& element : j) {
    list.push_back(list.empty() ? std::move(before) : list.back());
    element.get_to(list.back());
  }
}

static void to_json(json& j, const std::vector<Process>& list) {
  write_row(j, list);
}
static void from_json(const json& j, std::vector<Process>& list) {
  read_row(j, list);
}
static void to_json(json& j, const std::vector<Thread>& list) {
  write_row(j, list);
}
static void from_json(const json& j, std::vector<Thread>& list) {
  read_row(j, list);
}

void save(std::ostream& out, const Snapshot& snapshot) {
  json file = {{"schema", kSchema}, {"snapshot", snapshot}};
  out << file.dump(-1, ' ', true, json::error_handler_t::replace) << '\n';
}

/// find_process() and its kin search; a file may have been edited.
static void sort_all(Snapshot& snapshot) {
  std::ranges::stable_sort(snapshot.processes, {}, &Process::pid);
  std::ranges::stable_sort(snapshot.objects, {}, &Object::id);
  for (Process& process : snapshot.processes)
    std::ranges::stable_sort(process.threads, {}, &Thread::tid);
}

/// What is written are whole numbers, but for two times. One that is not becomes none in a defined
/// way where it is big.
static void check_numbers(const json& snapshot) {
  const auto check = [](bool good, const json& number) {
    if (!good) throw json::out_of_range::create(406, "no such number", &number);
  };
  constexpr double kLongest = 1e9;  // ms
  std::vector<const json*> left;
  for (const auto& [name, member] : snapshot.items()) {
    if (name == "elapsed_ms" || name == "observed_ms")
      check(member.is_number() && member >= 0 && member <= kLongest, member);
    else
      left.push_back(&member);
  }
  while (!left.empty()) {
    const json* one = left.back();
    left.pop_back();
    check(!one->is_number_float(), *one);
    if (one->is_structured())
      for (const json& member : *one) left.push_back(&member);
  }
}

static Result<Snapshot> snapshot_in(const json& file) {
  const auto schema = file.find("schema");
  if (schema == file.end() || !schema->is_string())
    return Error{Cause::Malformed, 0, "not an ipcdoctor snapshot"};
  if (schema->get<std::string>().starts_with("ipcdoctor/report/")) {
    return Error{Cause::Unsupported, 0,
                 "a report, not a snapshot, which `save` and `--format snapshot` write"};
  }
  if (*schema != kSchema) {
    return Error{Cause::Unsupported, 0,
                 "a snapshot of format " + schema->get<std::string>() + ", not " + kSchema +
                     ": the version that wrote it reads it"};
  }
  check_numbers(file.at("snapshot"));
  Snapshot snapshot = file.at("snapshot").get<Snapshot>();
  sort_all(snapshot);
  return snapshot;
}

static json parse(std::string_view text) {
  if (is_out_of_bounds(text)) return json(json::value_t::discarded);
  return json::parse(text, nullptr, false);
}

/// What an engine wrote around the standard output of a command: strings of JSON, names of hosts
/// before each line.
static void find_snapshots(const json& value, std::vector<json>& found) {
  if (value.is_object() && value.contains("schema")) {
    found.push_back(value);
  } else if (value.is_structured()) {
    for (const json& member : value) find_snapshots(member, found);
  } else if (value.is_string()) {
    const std::string& text = value.get_ref<const std::string&>();
    const std::size_t begin = text.find(kBegin);
    if (begin == std::string::npos) return;
    json inner = parse(text.substr(begin, text.find('\n', begin) - begin));
    if (inner.is_object()) found.push_back(std::move(inner));
  }
}

Result<std::vector<Snapshot>> load_all(const std::string& text) try {
  std::vector<json> found;
  if (json whole = parse(text); !whole.is_discarded()) {
    find_snapshots(whole, found);
  } else {
    for (std::size_t at = 0; at < text.size();) {
      // of the line alone: what follows may be megabytes without a brace
      const auto line = std::string_view(text).substr(at, text.find('\n', at) - at);
      if (const std::size_t begin = line.find('{'); begin != line.npos) {
        const json value = parse(line.substr(begin));
        if (!value.is_discarded()) find_snapshots(value, found);
      }
      at += line.size() + 1;
    }
  }
  if (found.empty()) return Error{Cause::Malformed, 0, "not an ipcdoctor snapshot"};
  std::vector<Snapshot> snapshots;
  for (const json& one : found) {
    Result<Snapshot> snapshot = snapshot_in(one);
    if (!snapshot) return snapshot.error();
    snapshots.push_back(*std::move(snapshot));
  }
  return snapshots;
} catch (const json::exception& failure) {
  return Error{Cause::Malformed, 0, "not an ipcdoctor snapshot"};
}

}  // namespace ipcdoctor::snapshot
