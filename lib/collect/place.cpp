#include "collect/place.h"

#include <sys/random.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include <array>
#include <chrono>
#include <fstream>

#include "base/text.h"
#include "collect/sockets.h"
#include "linux/sock_diag.h"

namespace ipcdoctor::collect {
namespace {

constexpr std::chrono::milliseconds kDumpPatience{1000};

/// The first line of a file of the system; "" if there is none.
std::string line_of(const char* path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return escape_untrusted(line.substr(0, 64));
}

std::string random_id() {
  std::array<unsigned char, 16> bytes{};
  if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) return "";
  std::string text;
  for (const unsigned char byte : bytes) {
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 15];
  }
  return text;
}

}  // namespace

std::int64_t milliseconds_since_1970() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

void name_host(snapshot::Snapshot& snapshot) {
  struct utsname name {};
  if (::uname(&name) != 0) return;
  snapshot.host = escape_untrusted(name.nodename);
  snapshot.kernel = name.release;
}

void finish_place(snapshot::Place& place, std::int64_t begin_ms, const std::string& after) {
  place.boot_id = line_of("/proc/sys/kernel/random/boot_id");
  place.machine_id = line_of("/etc/machine-id");
  struct stat pid_ns {};
  if (::stat("/proc/self/ns/pid", &pid_ns) == 0) place.pid_ns = pid_ns.st_ino;
  struct stat net_ns {};
  if (place.networks.empty() && ::stat("/proc/self/ns/net", &net_ns) == 0) {
    const auto sockets = linux::read_inet_sockets(kDumpPatience);
    place.networks.push_back(
        network_of(net_ns.st_ino, sockets.value_or(std::vector<linux::InetSocketInfo>{})));
    if (!sockets) place.networks.back().is_whole = false;
  }
  place.begin_ms = begin_ms;
  place.end_ms = milliseconds_since_1970();
  place.after = after;
  place.id = random_id();
}

}  // namespace ipcdoctor::collect
