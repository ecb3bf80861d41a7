#include "snapshot/known_programs.h"

#include <gtest/gtest.h>

#include <csignal>

namespace ipcdoctor::snapshot {
namespace {

constexpr std::uint64_t bit(int signal) {
  return std::uint64_t{1} << (signal - 1);
}

TEST(KnownPrograms, HandleWhatEndsThem) {
  const auto handlers = known_handlers("/usr/bin/sort", bit(SIGTERM) | bit(SIGCHLD));
  ASSERT_EQ(handlers.size(), 1U);
  EXPECT_EQ(handlers[0].signal, SIGTERM);
  EXPECT_TRUE(handlers[0].effects->may(kExits));
}

TEST(KnownPrograms, WhatNodeDoesNotCatchItselfItsProgramAskedFor) {
  const auto handlers = known_handlers("/usr/bin/node", bit(SIGHUP) | bit(SIGTERM));
  ASSERT_EQ(handlers.size(), 1U);
  EXPECT_EQ(handlers[0].signal, SIGTERM);

  Handler handler = handlers[0];
  EXPECT_FALSE(is_of_program(handler));
  handler.name = "uv__signal_handler in node";
  EXPECT_TRUE(is_of_program(handler));
}

TEST(KnownPrograms, OthersAreNotKnown) {
  EXPECT_TRUE(known_handlers("/opt/app/server", bit(SIGTERM)).empty());
  EXPECT_FALSE(known_effects("/opt/app/server", "termsig_sighandler in server").has_value());
}

}  // namespace
}  // namespace ipcdoctor::snapshot
