#pragma once

#include "collect/system.h"

namespace ipcdoctor::collect {

/// What may send a signal to an examined process without anybody's help: alarm_possible,
/// timer_possible, async_io.
void read_signal_sources(System& system);

}  // namespace ipcdoctor::collect
