#include "graph/lives.h"

#include <cstddef>

namespace ipcdoctor::graph {
namespace {

// In the order of the enumeration.
constexpr LifeRule kRules[] = {
    {Life::Running, Level::Live},
    {Life::Timer, Level::Live},
    {Life::Outside, Level::Live},
    {Life::NotUnderstood, Level::Live},
    {Life::NotSeen, Level::Live},
    {Life::NamedObject, Level::Assuming},
    {Life::PrivateName, Level::Assuming},
    {Life::FdsInFlight, Level::Assuming},
    {Life::Alarm, Level::Assuming},
    {Life::SysvStranger, Level::Assuming},
    {Life::NonOwnerRelease, Level::Assuming},
    {Life::KernelUser, Level::Assuming},
    {Life::UnseenHolder, Level::Assuming},
    {Life::ReadHelper, Level::Assuming},
    {Life::SignalSent, Level::Assuming},
    {Life::ReadPolling, Level::Assuming},
    {Life::OneRound, Level::Assuming},
    {Life::ReadHandler, Level::Assuming},
    {Life::EndingHandler, Level::Assuming},
    {Life::Polling, Level::Suspected},
    {Life::ServerLoop, Level::Suspected},
    {Life::StoppedProcess, Level::Stuck},
    {Life::PeerlessOpen, Level::Stuck},
    {Life::HalfOpen, Level::Stuck},
    {Life::Signal, Level::Stuck},
    {Life::Watched, Level::Conditional},
    {Life::Helper, Level::Conditional},
    {Life::Handler, Level::Conditional},
    {Life::Steered, Level::Conditional},
    {Life::Client, Level::Conditional},
    {Life::Server, Level::Conditional},
    {Life::Replaced, Level::Conditional},
    {Life::Doubted, Level::Conditional},
};

constexpr bool is_in_order() {
  for (std::size_t i = 0; i < std::size(kRules); ++i)
    if (static_cast<std::size_t>(kRules[i].life) != i) return false;
  return std::size(kRules) == static_cast<std::size_t>(Life::Doubted) + 1;
}
static_assert(is_in_order());

}  // namespace

const LifeRule& rule_of(Life life) {
  return kRules[static_cast<std::size_t>(life)];
}

}  // namespace ipcdoctor::graph
