#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "collect/system.h"
#include "linux/sock_diag.h"
#include "snapshot/snapshot.h"

namespace ipcdoctor::collect {

/// "10.0.0.1:80": one form for one address, whichever family its socket is of.
std::string text_of(const linux::InetSocketInfo& socket, const linux::InetAddress& address);

/// What snapshots of other hosts ask of the calling thread's network namespace, which has these
/// sockets.
snapshot::NetNamespace network_of(std::uint64_t net_ns,
                                  const std::vector<linux::InetSocketInfo>& sockets);

/// All unix, TCP and UDP sockets of the network namespaces that were looked at, joined with their
/// peers.
class Sockets {
 public:
  /// Those of TCP and UDP cost the kernel a walk over all its hash buckets.
  enum class Families { Unix, All };
  /// Dumps our own network namespace and those of the processes looked into, what of them was not
  /// dumped before.
  void read(System& system, Families families);
  /// The same of all other namespaces that some process is in, once: a peer may be in another
  /// container of this kernel. @return whether there are more now; describe() again then.
  bool read_everywhere(System& system);
  /// As said by parsers and tests; call index() afterwards.
  void add(std::vector<linux::UnixSocketInfo> sockets);
  void add(const std::vector<linux::InetSocketInfo>& sockets, std::uint64_t net_ns);
  void index();

  bool is_read() const { return read_; }
  bool is_read_with_inet() const { return reads_inet_; }
  /// Every unix socket of the namespaces of those that are looked into is known.
  bool all_seen() const { return all_seen_; }
  /// OtherSocket for one that is in no dump: netlink, packet, or of another namespace.
  snapshot::ObjectKind kind_of(std::uint64_t ino) const;
  snapshot::ObjectId id_of(std::uint64_t ino) const { return {kind_of(ino), 0, ino}; }
  /// @return Unsupported for a family that was not dumped.
  Result<snapshot::Socket> describe(std::uint64_t ino) const;
  /// The listener or datagram socket that is bound to a raw sun_path; Unknown if there is none.
  snapshot::ObjectId find_bound(const std::string& raw_name) const;
  /// The network namespaces that were dumped, since keep_networks().
  void keep_networks() { keeps_networks_ = true; }
  bool keeps_networks() const { return keeps_networks_; }
  const std::vector<snapshot::NetNamespace>& networks() const { return networks_; }
  /// Unix sockets whose queue may hold descriptors: something is in it.
  std::vector<std::uint64_t> unix_with_data() const;

 private:
  /// A socket and the network namespace whose dump had it: the same addresses may exist in several.
  struct Inet : linux::InetSocketInfo {
    std::uint64_t net_ns = 0;
  };
  struct Tuple {
    linux::InetAddress local, remote;
    bool udp = false;
    friend auto operator<=>(const Tuple&, const Tuple&) = default;
  };
  void dump_unix(System& system);
  void dump_inet(System& system, std::uint64_t net_ns);
  bool dump_of(System& system, const ProcessEntry& process, std::uint64_t net_ns);
  static Tuple tuple_of(const linux::InetSocketInfo& socket);
  snapshot::Socket describe_unix(const linux::UnixSocketInfo& socket) const;
  snapshot::Socket describe_inet(const Inet& socket) const;
  /// The other end on this host; nullptr if there is none, or more than one it could be.
  const Inet* find_peer(const Inet& socket) const;
  /// The listener in whose backlog a connection of its namespace sits; nullptr if there is none, or
  /// several share the address (SO_REUSEPORT).
  const Inet* find_listener(const Inet& unaccepted) const;

  bool read_ = false, reads_inet_ = false, everywhere_ = false, keeps_networks_ = false,
       all_seen_ = true;
  std::set<std::uint64_t> unix_namespaces_, inet_namespaces_;  ///< those that were dumped
  std::vector<linux::UnixSocketInfo> unix_;
  std::vector<Inet> inet_;
  std::vector<snapshot::NetNamespace> networks_;
  std::unordered_map<std::uint64_t, const linux::UnixSocketInfo*> unix_by_ino_;
  std::unordered_map<std::uint64_t, const Inet*> inet_by_ino_;
  std::unordered_map<std::uint64_t, std::uint64_t>
      listener_of_;  ///< client in a backlog -> listener
  std::multimap<Tuple, const Inet*> by_tuple_;
};

}  // namespace ipcdoctor::collect
