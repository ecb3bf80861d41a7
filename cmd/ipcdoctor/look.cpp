#include "look.h"

#include "telling.h"

namespace ipcdoctor::cmd {

Result<snapshot::Snapshot> look_at(const std::vector<Pid>& pids, collect::Options options) {
  Telling telling("looking at the processes");
  options.tick = [&] { telling.tick(); };
  return collect::collect(pids, options);
}

}  // namespace ipcdoctor::cmd
