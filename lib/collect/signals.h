#pragma once

#include "collect/system.h"

namespace ipcdoctor::collect {

/// What may send a signal to an examined process without anybody's help: alarm_possible,
/// timer_possible, async_io. Before the second look: who has not run between the two has set no
/// timer since, and an alarm that went off between would have woken him.
void read_signal_sources(System& system);

/// setitimer(2) of processor time, which cannot go off while no thread of the process runs; after
/// the second look.
void read_cpu_timers(System& system);

}  // namespace ipcdoctor::collect
