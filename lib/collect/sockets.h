#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "collect/system.h"
#include "linux/sock_diag.h"
#include "snapshot/snapshot.h"

namespace ipcdoctor::collect {

/// All unix, TCP and UDP sockets of the network namespaces that were looked at, joined with their peers.
class Sockets {
 public:
  /// Dumps our own network namespace and those of the processes given (one dump each).
  void read(System& system);
  /// As said by parsers and tests; call index() afterwards.
  void add(std::vector<linux::UnixSocketInfo> sockets);
  void add(std::vector<linux::InetSocketInfo> sockets);
  void index();

  bool is_read() const { return read_; }
  /// OtherSocket for one that is in no dump: netlink, packet, or of another namespace.
  snapshot::ObjectKind kind_of(std::uint64_t ino) const;
  snapshot::ObjectId id_of(std::uint64_t ino) const { return {kind_of(ino), 0, ino}; }
  /// @return Unsupported for a family that was not dumped.
  Result<snapshot::Socket> describe(std::uint64_t ino) const;
  /// The listener or datagram socket that is bound to a raw sun_path; Unknown if there is none.
  snapshot::ObjectId find_bound(const std::string& raw_name) const;
  /// Unix sockets whose queue may hold descriptors: something is in it.
  std::vector<std::uint64_t> unix_with_data() const;

 private:
  struct Tuple {
    linux::InetAddress local, remote;
    bool udp = false;
    friend auto operator<=>(const Tuple&, const Tuple&) = default;
  };
  static Tuple tuple_of(const linux::InetSocketInfo& socket);
  snapshot::Socket describe_unix(const linux::UnixSocketInfo& socket) const;
  snapshot::Socket describe_inet(const linux::InetSocketInfo& socket) const;
  const linux::InetSocketInfo* find_listener(const Tuple& tuple) const;

  bool read_ = false;
  std::vector<linux::UnixSocketInfo> unix_;
  std::vector<linux::InetSocketInfo> inet_;
  std::unordered_map<std::uint64_t, const linux::UnixSocketInfo*> unix_by_ino_;
  std::unordered_map<std::uint64_t, const linux::InetSocketInfo*> inet_by_ino_;
  std::unordered_map<std::uint64_t, std::uint64_t> listener_of_;  ///< client in a backlog -> listener
  std::multimap<Tuple, const linux::InetSocketInfo*> by_tuple_;
};

}  // namespace ipcdoctor::collect
