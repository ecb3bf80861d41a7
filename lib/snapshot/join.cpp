#include "snapshot/join.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "snapshot/renumber.h"
#include "snapshot/rounds.h"

namespace ipcdoctor::snapshot {
namespace {

/// The 128 bits of an id, as two numbers. @return false for anything else
bool parse_id(const std::string& id, std::uint64_t (&bits)[2]) {
  if (id.size() != 32) return false;
  bits[0] = bits[1] = 0;
  for (std::size_t i = 0; i < id.size(); ++i) {
    static constexpr std::string_view kDigits = "0123456789abcdef";
    const std::size_t digit = kDigits.find(id[i]);
    if (digit == std::string_view::npos) return false;
    bits[i / 16] = bits[i / 16] << 4 | digit;
  }
  return true;
}

std::string hex(std::uint64_t value) {
  std::string text(16, '0');
  for (std::size_t i = text.size(); i-- > 0; value >>= 4) text[i] = "0123456789abcdef"[value & 15];
  return text;
}

bool is_loopback(const std::string& address) {
  return address.starts_with("127.") || address.starts_with("[::1]:");
}

/// "10.0.0.1" of "10.0.0.1:80", "fd00::1" of "[fd00::1]:80".
std::string without_port(const std::string& address) {
  std::string bare = address.substr(0, address.rfind(':'));
  if (bare.starts_with('[') && bare.ends_with(']')) bare = bare.substr(1, bare.size() - 2);
  return bare;
}

using Tuple = std::pair<std::string, std::string>;

/// One end of a TCP connection, as the looks of its host have it.
struct End {
  std::size_t host = 0;  ///< in Joining::looks_
  Object* last = nullptr;
  const Socket* first = nullptr;  ///< of the round before; nullptr: none, or it was another socket

  Socket& now() const { return *last->socket; }
  const Socket& before() const { return first != nullptr ? *first : *last->socket; }
};

/// Its kernel tells all that the conditions ask for, and both sides may still send.
bool is_plain(const Socket& socket) {
  return socket.state == "established" && !socket.shut_read && !socket.shut_write &&
         !socket.peer_closed && !socket.peer_in_backlog && socket.tcp &&
         socket.tcp->bytes_sent != Tcp::kUnknown && socket.cookie != 0;
}

/// bytes_acked counts the SYN of who connected.
bool counts_agree(const Socket& sender, const Socket& receiver) {
  return sender.tcp->bytes_sent == receiver.tcp->bytes_received;
}

class Joining {
 public:
  explicit Joining(std::vector<Snapshot>& snapshots) : looks_(looks_of(snapshots)) {}

  Result<Snapshot> run() {
    find_ends();
    std::vector<std::pair<End*, End*>> pairs = find_pairs();
    for (const auto& [a, b] : pairs) judge(*a, *b);
    explain_unjoined();
    return merge(pairs);
  }

 private:
  const std::string& name(std::size_t host) const { return names_[host]; }
  const Snapshot& snapshot(std::size_t host) const { return *looks_[host].last; }

  void name_hosts() {
    std::map<std::string, int> times;
    for (const Looks& looks : looks_) {
      const std::string base = looks.last->host.empty() ? "host" : looks.last->host;
      const int n = ++times[base];
      names_.push_back(n == 1 ? base : base + "#" + std::to_string(n));
    }
  }

  void find_ends() {
    name_hosts();
    for (std::size_t h = 0; h < looks_.size(); ++h) {
      for (Object& object : looks_[h].last->objects) {
        if (object.id.kind != ObjectKind::InetSocket || !object.socket) continue;
        const Socket& socket = *object.socket;
        if (socket.type != "stream" || !socket.peer_is_remote || socket.remote.empty()) continue;
        End end{h, &object, nullptr};
        const Object* before =
            looks_[h].first == nullptr ? nullptr : find_object(*looks_[h].first, object.id);
        if (before != nullptr && before->socket && before->socket->cookie == socket.cookie &&
            before->socket->net_ns == socket.net_ns && is_plain(*before->socket))
          end.first = &*before->socket;
        ends_.emplace(Tuple{socket.local, socket.remote}, end);
      }
      note_networks(h);
    }
  }

  /// The same namespace may be in the snapshots of several containers of one kernel.
  void note_networks(std::size_t h) {
    const Place& place = snapshot(h).place;
    for (const NetNamespace& network : place.networks) {
      // clones of a virtual machine may share the first two
      const std::tuple key{place.boot_id, network.ino, network.addresses};
      const auto [it, is_new] = networks_.try_emplace(key, Network{h, &network});
      if (!is_new) continue;
      for (const std::string& address : network.addresses) at_[address].push_back(&it->second);
      for (const auto& [local, remote] : network.connections) ++seen_[{local, remote}];
    }
  }

  /// Both ends, each the only one with its addresses, in a namespace that alone has its address.
  std::vector<std::pair<End*, End*>> find_pairs() {
    std::vector<std::pair<End*, End*>> pairs;
    for (auto& [tuple, end] : ends_) {
      const Tuple mirror{tuple.second, tuple.first};
      if (tuple < mirror || ends_.count(tuple) != 1 || ends_.count(mirror) != 1) continue;
      if (is_loopback(tuple.first) || is_loopback(tuple.second)) continue;
      if (is_ambiguous(tuple) || is_ambiguous(mirror)) continue;
      End& other = ends_.find(mirror)->second;
      if (other.host == end.host || !is_plain(end.now()) || !is_plain(other.now())) continue;
      pairs.emplace_back(&end, &other);
    }
    std::erase_if(pairs, [](const auto& pair) {
      const auto& [a, b] = pair;
      return !counts_agree(a->before(), b->now()) || !counts_agree(b->before(), a->now());
    });
    return pairs;
  }

  bool is_ambiguous(const Tuple& tuple) const {
    const auto seen = seen_.find(tuple);
    const auto at = at_.find(without_port(tuple.first));
    return (seen != seen_.end() && seen->second != 1) ||
           (at != at_.end() && at->second.size() != 1);
  }

  void judge(End& a, End& b) {
    const bool twice = a.first != nullptr && b.first != nullptr;
    for (const auto& [one, other] : {std::pair{&a, &b}, std::pair{&b, &a}}) {
      Socket& socket = one->now();
      socket.peer_is_remote = false;
      socket.peer_is_joined = true;
      socket.looked_once = !twice;
      socket.in_doubt = doubt_of_bytes(*one, *other);
      socket.out_doubt = doubt_of_room(*one, *other);
    }
  }

  /// Why bytes may come to `s` though nobody who holds `m` lives.
  std::string doubt_of_bytes(const End& s, const End& m) const {
    if (m.before().send_queue != 0) return "bytes of " + name(m.host) + " were on their way";
    if (s.now().receive_queue != 0) return "bytes of " + name(m.host) + " lie unread";
    return acted(m);
  }

  /// Why there may be room at `s` though nobody who holds `m` lives.
  std::string doubt_of_room(const End& s, const End& m) const {
    const Socket &now = s.now(), &before = s.before();
    const bool is_full = now.tcp->timer == TcpTimer::Probe && now.tcp->unacked == 0 &&
                         now.send_queue > 0 && now.send_queue == now.tcp->not_sent &&
                         now.send_queue == before.send_queue;
    const bool is_closed =
        m.now().receive_queue > 0 && m.now().receive_queue == m.before().receive_queue;
    if (!is_full || !is_closed) return "room may come from " + name(m.host);
    return acted(m);
  }

  std::string acted(const End& m) const {
    const Looks& looks = looks_[m.host];
    if (looks.first == nullptr || m.first == nullptr) return "";  // looked_once says it
    const std::string who = who_acted(looks, m.last->id);
    return who.empty() ? "" : name(m.host) + ":" + who;
  }

  /// A connection that was not joined: nobody looked there, or what was found does not fit.
  void explain_unjoined() {
    for (auto& [tuple, end] : ends_) {
      Socket& socket = end.now();
      if (!socket.peer_is_remote) continue;
      const auto at = at_.find(without_port(socket.remote));
      const Tuple mirror{tuple.second, tuple.first};
      if (at == at_.end()) {
        socket.elsewhere = "no snapshot is of its host";
      } else if (at->second.size() > 1 || ends_.count(mirror) > 1) {
        socket.elsewhere = "several networks have its address";
      } else if (ends_.contains(mirror)) {
        socket.elsewhere = "what " + name(at->second.front()->host) +
                           " has sent and received does not agree, or is on its way";
      } else if (at->second.front()->network->is_whole && !seen_.contains(mirror)) {
        // One round does not tell whether the connection is younger than the look at its other end.
        const std::size_t there = at->second.front()->host;
        socket.half_open =
            socket.state == "established" && end.first != nullptr && looks_[there].first != nullptr;
        socket.elsewhere =
            name(there) + (socket.half_open ? " has no such connection any more: it is half-open"
                                            : " had no such connection when it was looked at");
      } else {
        socket.elsewhere =
            "nobody who was looked into on " + name(at->second.front()->host) + " holds it";
      }
    }
  }

  Result<Snapshot> merge(const std::vector<std::pair<End*, End*>>& pairs) {
    Snapshot out;
    int first = kFirstJoined;
    for (std::size_t h = 0; h < looks_.size(); ++h) {
      Snapshot& one = *looks_[h].last;
      Host host;
      host.name = name(h);
      host.first = first;
      host.rounds = looks_[h].first != nullptr ? 2 : 1;
      host.place = one.place;
      const Status status = renumber(one, host, h + 1);
      if (!status) return status.error();
      first += static_cast<int>(host.numbers.size());
      out.hosts.push_back(std::move(host));
    }
    for (const auto& [a, b] : pairs) {
      a->now().peer = b->last->id;
      b->now().peer = a->last->id;
    }
    name_missing_hosts();
    out.in_init_pid_ns = out.all_holders_seen = true;
    for (const Looks& looks : looks_) append(out, *looks.last);
    std::ranges::stable_sort(out.objects, {}, &Object::id);
    return out;
  }

  /// Where somebody waits for one of whom there is no snapshot.
  void name_missing_hosts() {
    std::map<std::string, std::size_t> waits;
    for (const Looks& looks : looks_)
      for (const Process& process : looks.last->processes)
        for (const Thread& thread : process.threads) {
          if (!is_of_tree(process.scope) || !thread.wait || !thread.wait->untimed) continue;
          for (const Awaited& awaited : thread.wait->objects) {
            const Object* object = find_object(*looks.last, awaited.object);
            if (object == nullptr || !object->socket || object->socket->elsewhere.empty()) continue;
            if (!at_.contains(without_port(object->socket->remote)))
              ++waits[object->socket->remote];
          }
        }
    for (const auto& [remote, count] : waits)
      looks_.front().last->unseen.push_back(
          {Pid{},
           Tid{},
           {Cause::NotRead, 0,
            "look at the host of " + remote + ", for which " +
                (count == 1 ? "a thread waits" : std::to_string(count) + " threads wait")}});
  }

  template <class T>
  static void move_to(std::vector<T>& to, std::vector<T>& from) {
    std::ranges::move(from, std::back_inserter(to));
  }

  static void append(Snapshot& out, Snapshot& one) {
    out.tool_version = one.tool_version;
    out.host += (out.host.empty() ? "" : ", ") + one.host;
    out.kernel = out.kernel.empty() || out.kernel == one.kernel ? one.kernel : "several kernels";
    out.time = std::max(out.time, one.time);
    move_to(out.targets, one.targets);
    move_to(out.processes, one.processes);
    move_to(out.objects, one.objects);
    move_to(out.file_locks, one.file_locks);
    move_to(out.shared_areas, one.shared_areas);
    move_to(out.sysv, one.sysv);
    move_to(out.unseen, one.unseen);
    out.all_holders_seen = out.all_holders_seen && one.all_holders_seen;
    out.in_init_pid_ns = out.in_init_pid_ns && one.in_init_pid_ns;
    out.processes_were_missed = out.processes_were_missed || one.processes_were_missed;
    out.unknown_fds_in_flight = out.unknown_fds_in_flight || one.unknown_fds_in_flight;
    out.stopped_threads += one.stopped_threads;
    out.elapsed_ms = std::max(out.elapsed_ms, one.elapsed_ms);
    out.observed_ms = std::max(out.observed_ms, one.observed_ms);
    out.observed_briefly = out.observed_briefly || one.observed_briefly;
    out.overdue = out.overdue || one.overdue;
  }

  struct Network {
    std::size_t host = 0;
    const NetNamespace* network = nullptr;
  };

  std::vector<Looks> looks_;
  std::vector<std::string> names_;
  std::multimap<Tuple, End> ends_;
  std::map<std::tuple<std::string, std::uint64_t, std::vector<std::string>>, Network> networks_;
  std::map<std::string, std::vector<const Network*>> at_;  ///< by address
  std::map<Tuple, int> seen_;                              ///< in how many namespaces
};

}  // namespace

std::string token_of(const std::vector<Snapshot>& round) {
  std::set<std::string> ids;
  for (const Snapshot& snapshot : round) ids.insert(snapshot.place.id);
  std::uint64_t folded[2] = {};
  for (const std::string& id : ids) {
    std::uint64_t bits[2];
    if (!parse_id(id, bits)) return "";
    folded[0] ^= bits[0];
    folded[1] ^= bits[1];
  }
  if (ids.empty()) return "";
  return std::to_string(ids.size()) + "-" + hex(folded[0]) + hex(folded[1]);
}

Result<Snapshot> join(std::vector<Snapshot> snapshots) {
  return Joining(snapshots).run();
}

}  // namespace ipcdoctor::snapshot
