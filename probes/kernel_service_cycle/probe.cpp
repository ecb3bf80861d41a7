#include <algorithm>
#include <optional>

#include "diagnosis/repairs.h"
#include "probes/all_probes.h"
#include "probes/internal/advice.h"
#include "probes/internal/ends.h"

namespace ipcdoctor::probes {
namespace {

diagnosis::Answer run(const Context& context);

}  // namespace

extern const diagnosis::Probe kKernelServiceCycle{
    "IPC405", "kernel-service-cycle", "A server of the kernel waits for its own service", run};

namespace {

using diagnosis::Finding;

/// A member that waits for the kernel to get an answer, and the members who have the service's
/// descriptor.
struct Service {
  TaskRef client;
  ObjectId device;
  std::vector<TaskRef> servers;
};

std::vector<Service> services_in(const Context& context, const Ends& ends,
                                 const std::vector<TaskRef>& tasks) {
  std::vector<Service> services;
  for (const TaskRef& task : tasks) {
    const Wait* wait = wait_of(context.snapshot, task);
    if (wait == nullptr || wait->kind != snapshot::WaitKind::KernelService) continue;
    Service service{task, wait->objects.empty() ? ObjectId{} : wait->objects.front().object, {}};
    std::vector<Pid> pids = pids_of(ends.holders(service.device));
    for (const graph::Waker& waker : context.graph.wakers(task, 64)) pids.push_back(waker.task.pid);
    for (const Pid pid : pids)
      if (contains(tasks, pid) && !contains(service.servers, pid))
        service.servers.push_back(task_of(tasks, pid));
    if (!service.servers.empty()) services.push_back(std::move(service));
  }
  return services;
}

Finding describe(const Context& context, int set, const std::vector<Service>& services) {
  const Snapshot& snapshot = context.snapshot;
  Finding finding = diagnosis::start_finding(context, kKernelServiceCycle, set);
  const Service& first = services.front();
  const std::string device = diagnosis::object_name(snapshot, first.device);
  const TaskRef server = first.servers.front();
  const bool own = first.client.pid == server.pid;
  finding.title = own ? snapshot::label(snapshot, server) +
                            " waits for the service that it provides itself (" + device + ")"
                      : snapshot::label(snapshot, first.client) +
                            " waits for a service whose server " +
                            snapshot::label(snapshot, server) + " is stuck (" + device + ")";
  for (const Service& service : services)
    finding.explanation += snapshot::label(snapshot, service.client) +
                           " waits in the kernel for an answer" + place(snapshot, service.client) +
                           ".\n";
  finding.explanation +=
      "Only a process that has " + device + " can answer, and each of them waits too.";
  for (const TaskRef& task : first.servers)
    finding.culprits.push_back(
        diagnosis::culprit(snapshot, task, -1, "should answer, but " + doing(snapshot, task)));
  finding.fix =
      what_to_do(snapshot, kKernelServiceCycle, server,
                 {first.device.kind == snapshot::ObjectKind::Fuse ? Situation{"a mount of FUSE"}
                                                                  : Situation{}});
  finding.strength = Strength::Clear;
  diagnosis::add_wakes(finding, {first.client});
  return finding;
}

diagnosis::Answer run(const Context& context) {
  return ask_about_deadlocks(
      context,
      [&](const Ends& ends, int set, const graph::StuckSet& deadlock) -> std::optional<Finding> {
        std::vector<Service> services = services_in(context, ends, members(deadlock));
        if (services.empty()) return std::nullopt;
        // One that serves itself is the root of the others.
        std::ranges::stable_sort(
            services, {}, [](const Service& s) { return !contains(s.servers, s.client.pid); });
        return describe(context, set, services);
      });
}

}  // namespace
}  // namespace ipcdoctor::probes
