#pragma once

#include "probes/internal/set_members.h"

namespace ipcdoctor::probes {

/// Members that wait for the end of one of these, in another process or thread: who should have
/// told them to stop.
Members joiners_of(const Context& context, const Members& members, const Members& awaited);

/// Blames each process once, at its first task of the list.
void blame(const Context& context, const Members& guilty, const std::string& why, Finding& finding);

}  // namespace ipcdoctor::probes
