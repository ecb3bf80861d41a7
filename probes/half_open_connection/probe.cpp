#include "diagnosis/repairs.h"
#include "probes/all_probes.h"
#include "probes/internal/advice.h"

namespace ipcdoctor::probes {
namespace {

diagnosis::Answer run(const Context& context);

}  // namespace

extern const diagnosis::Probe kHalfOpenConnection{
    "IPC406", "half-open-connection",
    "It reads from a connection that the other host knows nothing of", run};

namespace {

using diagnosis::Finding;

const snapshot::Object* half_open_end(const Snapshot& snapshot, TaskRef task) {
  for (const ObjectId& id : received_objects(snapshot, task)) {
    const snapshot::Object* object = snapshot::find_object(snapshot, id);
    if (object != nullptr && object->socket && object->socket->half_open) return object;
  }
  return nullptr;
}

Finding describe(const Context& context, int set, TaskRef reader, const snapshot::Object& end) {
  const Snapshot& snapshot = context.snapshot;
  Finding finding = diagnosis::start_finding(context, kHalfOpenConnection, set);
  const snapshot::Socket& socket = *end.socket;
  finding.title = snapshot::label(snapshot, reader) + " reads from a connection to " +
                  socket.remote + " that is half-open";
  finding.explanation = socket.elsewhere + ". Nothing tells " + snapshot::label(snapshot, reader) +
                        place(snapshot, reader) + ", which only reads, and keepalive is off.";
  finding.culprits.push_back(diagnosis::culprit(
      snapshot, reader, -1, "waits without a limit for a peer that is gone: " + socket.elsewhere));
  const std::size_t colon = socket.remote.rfind(':');
  finding.fix = what_to_do(
      snapshot, kHalfOpenConnection, reader, {},
      {{"ADDRESS", socket.remote.substr(0, colon)}, {"PORT", socket.remote.substr(colon + 1)}});
  finding.strength = Strength::Clear;
  diagnosis::add_wakes(finding, {reader});
  return finding;
}

diagnosis::Answer run(const Context& context) {
  std::vector<Finding> findings;
  const auto& sets = context.graph.stuck_sets();
  for (std::size_t i = 0; i < sets.size(); ++i)
    for (const TaskRef& task : members(sets[i]))
      if (const snapshot::Object* end = half_open_end(context.snapshot, task)) {
        findings.push_back(describe(context, static_cast<int>(i), task, *end));
        break;
      }
  return conclude(context, std::move(findings));
}

}  // namespace
}  // namespace ipcdoctor::probes
