#include "linux/sock_diag.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/unix_diag.h>
#include <sys/socket.h>

#include <cstring>

namespace ipcdoctor::linux {
namespace {

/// Appends one netlink attribute.
void put(std::vector<std::byte>& payload, std::uint16_t type, const void* data, std::size_t size) {
  const nlattr head{static_cast<std::uint16_t>(sizeof(nlattr) + size), type};
  const std::size_t at = payload.size();
  payload.resize(at + NLA_ALIGN(sizeof head + size));
  std::memcpy(payload.data() + at, &head, sizeof head);
  std::memcpy(payload.data() + at + sizeof head, data, size);
}

template <class T>
std::vector<std::byte> bytes_of(const T& object) {
  std::vector<std::byte> bytes(sizeof object);
  std::memcpy(bytes.data(), &object, sizeof object);
  return bytes;
}

std::vector<std::byte> listener() {
  unix_diag_msg message{};
  message.udiag_family = AF_UNIX;
  message.udiag_type = SOCK_STREAM;
  message.udiag_state = 10;
  message.udiag_ino = 4711;
  std::vector<std::byte> payload = bytes_of(message);
  const std::uint32_t clients[] = {11, 12};
  const unix_diag_rqlen queues{2, 128};
  const std::uint8_t shutdown = 2;
  put(payload, UNIX_DIAG_NAME, "\0name", 5);
  put(payload, UNIX_DIAG_ICONS, clients, sizeof clients);
  put(payload, UNIX_DIAG_RQLEN, &queues, sizeof queues);
  put(payload, UNIX_DIAG_SHUTDOWN, &shutdown, 1);
  put(payload, 77, "later", 5);
  return payload;
}

TEST(ParseUnixDiag, ReadsAListenerAndItsBacklog) {
  const auto socket = parse_unix_diag(listener());

  ASSERT_TRUE(socket);
  EXPECT_EQ(socket->ino, 4711U);
  EXPECT_TRUE(socket->is_listening());
  EXPECT_EQ(socket->waiting, (std::vector<std::uint64_t>{11, 12}));
  EXPECT_EQ(socket->receive_queue, 2U);
  EXPECT_EQ(socket->send_queue, 128U);
  EXPECT_EQ(socket->name, std::string("\0name", 5));
  EXPECT_TRUE(socket->shut_write());
  EXPECT_FALSE(socket->shut_read());
}

TEST(ParseUnixDiag, ReadsAConnectedPairsPeerAndAPath) {
  unix_diag_msg message{};
  message.udiag_family = AF_UNIX;
  message.udiag_state = 1;
  std::vector<std::byte> payload = bytes_of(message);
  const std::uint32_t peer = 99;
  put(payload, UNIX_DIAG_PEER, &peer, sizeof peer);
  put(payload, UNIX_DIAG_NAME, "/run/x\0", 7);
  const auto socket = parse_unix_diag(payload);

  ASSERT_TRUE(socket);
  EXPECT_EQ(socket->peer, 99U);
  EXPECT_EQ(socket->name, "/run/x");
}

TEST(ParseUnixDiag, RejectsAttributesThatAreCut) {
  const std::vector<std::byte> payload = listener();
  EXPECT_FALSE(parse_unix_diag(std::span(payload).first(payload.size() - 8)));
  EXPECT_FALSE(parse_unix_diag(std::span(payload).first(sizeof(unix_diag_msg) - 1)));
  EXPECT_FALSE(parse_unix_diag({}));
}

std::vector<std::byte> connection(std::uint8_t family) {
  inet_diag_msg message{};
  message.idiag_family = family;
  message.idiag_state = 1;
  message.idiag_timer = 4;
  message.idiag_inode = 5;
  message.idiag_rqueue = 6;
  message.idiag_wqueue = 7;
  message.id.idiag_sport = htons(80);
  message.id.idiag_dport = htons(40000);
  const char* address = family == AF_INET ? "127.0.0.1" : "::ffff:127.0.0.1";
  EXPECT_EQ(::inet_pton(family, address, message.id.idiag_src), 1);
  EXPECT_EQ(::inet_pton(family, address, message.id.idiag_dst), 1);
  std::vector<std::byte> payload = bytes_of(message);
  const std::uint8_t shutdown = 1;
  put(payload, INET_DIAG_SHUTDOWN, &shutdown, 1);
  return payload;
}

TEST(ParseInetDiag, ReadsAConnection) {
  const auto socket = parse_inet_diag(connection(AF_INET), false);

  ASSERT_TRUE(socket);
  EXPECT_EQ(socket->ino, 5U);
  EXPECT_EQ(socket->timer, 4);
  EXPECT_EQ(socket->receive_queue, 6U);
  EXPECT_EQ(socket->send_queue, 7U);
  EXPECT_EQ(socket->shutdown, 1);
  EXPECT_EQ(to_string(socket->local, socket->v6), "127.0.0.1:80");
  EXPECT_EQ(to_string(socket->remote, socket->v6), "127.0.0.1:40000");
}

TEST(ParseInetDiag, KnowsAnIPv4ConnectionOfAnIPv6Socket) {
  const auto socket = parse_inet_diag(connection(AF_INET6), false);

  ASSERT_TRUE(socket);
  EXPECT_TRUE(socket->mapped_v4);
  EXPECT_EQ(to_string(socket->local, socket->v6), "[::ffff:127.0.0.1]:80");
}

TEST(ParseInetDiag, RejectsOtherFamiliesAndCutMessages) {
  std::vector<std::byte> payload = connection(AF_INET);
  EXPECT_FALSE(parse_inet_diag(std::span(payload).first(payload.size() - 6), false));
  EXPECT_FALSE(parse_inet_diag(std::span(payload).first(20), false));
  payload[0] = std::byte{AF_UNIX};
  EXPECT_FALSE(parse_inet_diag(payload, false));
}

TEST(SocketStates, HaveTheNamesOfSs) {
  EXPECT_EQ(name_of_socket_state(1), "established");
  EXPECT_EQ(name_of_socket_state(4), "fin-wait-1");
  EXPECT_EQ(name_of_socket_state(10), "listen");
  EXPECT_EQ(name_of_socket_state(0), "unknown");
  EXPECT_EQ(name_of_socket_state(-1), "unknown");
  EXPECT_EQ(name_of_socket_state(13), "unknown");
}

}  // namespace
}  // namespace ipcdoctor::linux
