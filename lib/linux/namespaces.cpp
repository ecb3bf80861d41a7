#include "linux/namespaces.h"

#include "linux/text_scan.h"

namespace ipcdoctor::linux {

Result<std::uint64_t> parse_namespace_link(std::string_view link, std::string_view kind) {
  std::uint64_t ino = 0;
  if (!take_prefix(link, kind) || !take_prefix(link, ":[") || !take_number(link, ino) ||
      link != "]") {
    return Error{Cause::Malformed, 0, "parse namespace link"};
  }
  return ino;
}

Result<std::uint64_t> read_namespace(const ProcDir& process, const std::string& kind) {
  const auto link = process.read_link("ns/" + kind);
  if (!link) return link.error();
  return parse_namespace_link(*link, kind);
}

Namespaces read_namespaces(const ProcDir& process) {
  return {read_namespace(process, "pid"), read_namespace(process, "net"),
          read_namespace(process, "mnt")};
}

namespace {

Result<bool> is_own(const std::string& kind, std::uint64_t wanted) {
  const auto system = ProcDir::open_system();
  if (!system) return system.error();
  const auto self = system->open_below("self");
  if (!self) return self.error();
  const auto ino = read_namespace(*self, kind);
  if (!ino) return ino.error();
  return *ino == wanted;
}

}  // namespace

Result<bool> in_init_pid_namespace() {
  return is_own("pid", kInitPidNamespace);
}

Result<bool> in_init_user_namespace() {
  return is_own("user", kInitUserNamespace);
}

}  // namespace ipcdoctor::linux
