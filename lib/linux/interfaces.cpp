#include "linux/interfaces.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <sstream>

#include "linux/deputy.h"
#include "linux/sock_diag.h"

namespace ipcdoctor::linux {
namespace {

Result<std::vector<std::string>> ask_for_addresses() {
  const auto lines = deputy::ask_bytes(deputy::Wish::Addresses, 0, entered_network());
  if (!lines) return lines.error();
  std::vector<std::string> addresses;
  std::istringstream in(*lines);
  for (std::string line; std::getline(in, line);) addresses.push_back(std::move(line));
  return addresses;
}

}  // namespace

Result<std::vector<std::string>> read_interface_addresses() {
  if (deputy::is_asked()) return ask_for_addresses();
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0)
    return Error{cause_of(errno), errno, "read the addresses of interfaces"};
  const std::unique_ptr<ifaddrs, void (*)(ifaddrs*)> owner(list, ::freeifaddrs);
  std::vector<std::string> addresses;
  for (const ifaddrs* one = list; one != nullptr; one = one->ifa_next) {
    if (one->ifa_addr == nullptr || (one->ifa_flags & IFF_LOOPBACK) != 0) continue;
    const int family = one->ifa_addr->sa_family;
    if (family != AF_INET && family != AF_INET6) continue;
    const void* bytes =
        family == AF_INET
            ? static_cast<const void*>(&reinterpret_cast<sockaddr_in*>(one->ifa_addr)->sin_addr)
            : &reinterpret_cast<sockaddr_in6*>(one->ifa_addr)->sin6_addr;
    char text[INET6_ADDRSTRLEN] = "";
    if (::inet_ntop(family, bytes, text, sizeof text) != nullptr) addresses.emplace_back(text);
  }
  std::ranges::sort(addresses);
  addresses.erase(std::unique(addresses.begin(), addresses.end()), addresses.end());
  return addresses;
}

}  // namespace ipcdoctor::linux
