#include <algorithm>

#include "runtime/cpython/code_reader.h"
#include "runtime/cpython/threads.h"

namespace ipcdoctor::runtime::cpython {
namespace {

constexpr std::string_view kFile = "/logging/__init__.py";
constexpr std::size_t kMaxHandlers = 64;

}  // namespace

// A method that an object's class has from logging itself, not from a subclass.
bool CodeReader::is_of_logging(Object object, const char* method) {
  const Found found = find_on_type(objects_.type_of(object), method);
  if (found.object == 0 || !is_exactly(found.object, "function")) return false;
  const auto routine = routine_at(code_called_by(found.object));
  return routine != nullptr && routine->file.ends_with(kFile) && is_library_file(routine->file);
}

bool CodeReader::has_no_filters(Object object) {
  const Object filters = objects_.attribute(object, "filters");
  return is_exactly(filters, "list") && objects_.length(filters) == 0;
}

// Nothing but its text comes of a record: no formatter of the program's own, no clock of its own.
bool CodeReader::formats_plainly(Object handler) {
  const Object formatter = objects_.attribute(handler, "formatter");
  if (formatter == 0) return false;
  if (objects_.is_none(formatter)) return true;
  for (const char* method :
       {"format", "formatTime", "formatException", "formatMessage", "formatStack", "usesTime"})
    if (!is_of_logging(formatter, method)) return false;
  const Found clock = find_on_type(objects_.type_of(formatter), "converter");
  const bool own_clock = objects_.attribute(formatter, "converter") != 0;
  const KnownCall* known = clock.object == 0 ? nullptr : known_builtin(clock.object);
  const Object style = objects_.attribute(formatter, "_style");
  return !own_clock && known != nullptr && known->effects == 0 && style != 0 &&
         is_of_logging(style, "format");
}

// Any logger may hand a record to any handler: all of them must be logging's own, and write to
// plain files, whose descriptors come out. nullopt: they do not.
std::optional<std::vector<int>> CodeReader::descriptors_of_logging(const Value& logger) {
  const auto global = [&](const char* name) {
    return module_global(objects_, modules_, "logging", name);
  };
  const Object by_root = logger.kind == Value::Kind::Const ? logger.object : global("root");
  for (const char* method : {"_log", "makeRecord", "handle", "callHandlers", "isEnabledFor",
                             "findCaller", "getEffectiveLevel", "hasHandlers", "filter"})
    if (!is_of_logging(by_root, method)) return std::nullopt;
  if (!has_no_filters(by_root)) return std::nullopt;
  const Object factory = global("_logRecordFactory");
  if (!is_exactly(factory, "type") || facts_of(factory).name != "LogRecord" ||
      factory != global("LogRecord"))
    return std::nullopt;
  // Failures are printed there.
  const auto standard = descriptor_of_stream(module_global(objects_, modules_, "sys", "stderr"));
  const Object handlers = global("_handlerList");
  if (!standard || !is_exactly(handlers, "list") || names_.contains("stderr")) return std::nullopt;
  std::vector<int> fds{*standard};
  const auto references = objects_.items(handlers, kMaxHandlers);
  if (objects_.length(handlers) != static_cast<std::int64_t>(references.size()))
    return std::nullopt;
  for (const Object reference : references) {
    const Object handler = remote_.pointer(reference + 16);  // wr_object
    if (objects_.is_none(handler)) continue;
    for (const char* method :
         {"handle", "filter", "acquire", "release", "format", "emit", "flush", "handleError"})
      if (!is_of_logging(handler, method)) return std::nullopt;
    if (!has_no_filters(handler) || !formats_plainly(handler)) return std::nullopt;
    const std::string& name = facts_of(objects_.type_of(handler)).name;
    if (name == "NullHandler" || name == "_StderrHandler") continue;  // the latter: sys.stderr
    const auto fd = descriptor_of_stream(objects_.attribute(handler, "stream"));
    if (!fd) return std::nullopt;
    fds.push_back(*fd);
  }
  return fds;
}

// A record below the level that counts for its logger, its own or its nearest parent's, is not made
// (Logger.isEnabledFor()). logging.disable() only takes more away.
bool CodeReader::is_below_level(const Value& logger, std::string_view function) {
  struct Severity {
    std::string_view function;
    std::int64_t level;
  };
  constexpr Severity kSeverities[] = {
      {"debug", 10}, {"info", 20}, {"warning", 30}, {"error", 40}, {"critical", 50}};
  constexpr int kMaxParents = 32;
  const auto* severity = std::ranges::find(kSeverities, function, &Severity::function);
  if (severity == std::end(kSeverities) || names_.contains("level")) return false;
  Object at = logger.kind == Value::Kind::Const
                  ? logger.object
                  : module_global(objects_, modules_, "logging", "root");
  for (const char* method : {"isEnabledFor", "getEffectiveLevel"})
    if (!is_of_logging(at, method)) return false;
  for (int i = 0; i < kMaxParents && at != 0 && !objects_.is_none(at); ++i) {
    const auto level = objects_.integer(objects_.attribute(at, "level"));
    if (!level) return false;
    if (*level != 0) return severity->level < *level;
    at = objects_.attribute(at, "parent");
  }
  return false;
}

std::optional<CodeReader::CallResult> CodeReader::call_logging(Activation& act,
                                                               const Routine& routine,
                                                               const std::vector<Value>& args,
                                                               Object names) {
  if (!routine.file.ends_with(kFile) || !is_library_file(routine.file)) return std::nullopt;
  std::string_view function = routine.qualname;
  const bool method = function.starts_with("Logger.");
  if (method) function.remove_prefix(7);
  constexpr std::string_view kFunctions[] = {"debug", "info",     "warning",
                                             "error", "critical", "log"};
  if (std::ranges::find(kFunctions, function) == std::end(kFunctions)) return std::nullopt;
  const CallResult result{builtin_value(BuiltinType::None), true, false};
  const std::size_t first = method ? 1 : 0;
  if (is_below_level(method && !args.empty() ? args[0] : null_value(), function)) {
    for (const Value& v : args) drop(act, v);
    return result;
  }
  const bool plain = names == 0 && args.size() > first &&
                     std::all_of(args.begin() + static_cast<std::ptrdiff_t>(first), args.end(),
                                 [&](const Value& v) { return is_harmless(v); });
  const auto fds = plain ? descriptors_of_logging(method ? args[0] : null_value()) : std::nullopt;
  if (!fds) {
    unknown(act, "calls `" + routine.qualname + "` of logging");
    return result;
  }
  for (const int fd : *fds) add(snapshot::kWrites, fd, "logs");
  return result;
}

}  // namespace ipcdoctor::runtime::cpython
