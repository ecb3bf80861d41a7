#include "collect/shared_memory.h"

#include <sys/sysmacros.h>

#include <algorithm>
#include <cstdio>
#include <string>

#include "base/text.h"
#include "collect/tables.h"
#include "linux/kcmp.h"
#include "linux/other_name.h"
#include "linux/proc_maps.h"

namespace ipcdoctor::collect {
namespace {

using snapshot::Fd;
using snapshot::SharedArea;

/// As fs/proc/task_mmu.c prints device and inode of a mapping: " fd:01 1234 ".
std::string needle_of(std::uint64_t dev, std::uint64_t ino) {
  char text[64];
  std::snprintf(text, sizeof text, " %02x:%02x %llu ", major(dev), minor(dev),
                static_cast<unsigned long long>(ino));
  return text;
}

/// A name by which a stranger could still map it: a path, or a System V id.
bool has_name(std::string_view path) {
  if (path.starts_with("/SYSV")) return true;
  return !path.empty() && !path.ends_with(" (deleted)");
}

}  // namespace

void SharedAreas::add_waits(ProcessEntry& process) {
  for (const ThreadEntry& thread : process.threads) {
    if (!thread.out.wait || thread.out.wait->kind != snapshot::WaitKind::Futex) continue;
    const snapshot::FutexWait& futex = thread.out.wait->futex;
    if (!futex.shared_memory) continue;
    SharedArea& area = areas_[{futex.page.dev, futex.page.ino}];
    if (!area.mappers.empty()) continue;
    area.dev = futex.page.dev;
    area.ino = futex.page.ino;
    const linux::Mapping* mapping = linux::find_mapping(process.space->maps(), futex.address);
    if (mapping != nullptr) {
      const auto other = has_name(mapping->path) || !process.dir
                             ? std::nullopt
                             : linux::find_other_name(*process.dir, *mapping);
      const std::string path = other.value_or(mapping->path);
      area.path = escape_untrusted(path);
      area.has_name = has_name(path);
    }
    find_mappers(area);
  }
}

const std::string* SharedAreas::maps_of(ProcessEntry& process) {
  const auto known = maps_.find(process.pid);
  if (known != maps_.end()) return &known->second;
  const Risk risk(system_.progress(), process.pid, Fact::Maps);
  if (!risk.allowed()) return nullptr;
  auto text = process.dir->read("maps", 64 << 20);
  if (!text) {
    if (text.error().cause != Cause::Gone) system_.note_hidden_holder();
    return nullptr;
  }
  return &(maps_[process.pid] = std::move(*text));
}

void SharedAreas::find_mappers(SharedArea& area) {
  const std::string needle = needle_of(area.dev, area.ino);
  std::set<Pid> found;
  for (const auto& process : system_.processes()) {
    if (process->scope == snapshot::Scope::Self) continue;
    const std::string* maps = maps_of(*process);
    if (maps != nullptr && maps->find(needle) != std::string::npos) found.insert(process->pid);
  }
  for_each_table(system_, [&](ProcessEntry& process, Tid, std::vector<Fd>& fds) {
    const bool holds = std::ranges::any_of(fds, [&](const Fd& fd) {
      return fd.object.kind == snapshot::ObjectKind::File && fd.object.dev == area.dev &&
             fd.object.ino == area.ino;
    });
    if (holds) found.insert(process.pid);
  });
  area.mappers.assign(found.begin(), found.end());
  mappers_.insert(found.begin(), found.end());
}

std::vector<SharedArea> SharedAreas::list() const {
  std::vector<SharedArea> areas;
  for (const auto& [id, area] : areas_) areas.push_back(area);
  return areas;
}

namespace {

bool is_before(linux::Kcmp what, const ProcessEntry* a, const ProcessEntry* b) {
  const auto order = linux::compare_tasks(what, Tid{a->pid.value}, Tid{b->pid.value});
  return order && *order == std::strong_ordering::less;
}

bool shares(linux::Kcmp what, const ProcessEntry* a, const ProcessEntry* b) {
  const auto order = linux::compare_tasks(what, Tid{a->pid.value}, Tid{b->pid.value});
  return order && *order == std::strong_ordering::equal;
}

void group(std::vector<ProcessEntry*> family, linux::Kcmp what, Pid snapshot::Process::*member) {
  // stable_sort: a process that ends meanwhile makes the order inconsistent, which it survives
  std::ranges::stable_sort(
      family, [&](const ProcessEntry* a, const ProcessEntry* b) { return is_before(what, a, b); });
  for (std::size_t at = 0; at < family.size();) {
    std::size_t end = at + 1;
    while (end < family.size() && shares(what, family[at], family[end])) ++end;
    Pid lowest = family[at]->pid;
    for (std::size_t i = at; i < end; ++i) lowest = std::min(lowest, family[i]->pid);
    for (std::size_t i = at; i < end; ++i) family[i]->out.*member = lowest;
    at = end;
  }
}

}  // namespace

void group_shared_tables(System& system) {
  // exec ends all sharing: whoever shares runs the same image, so its stack begins at the same
  // random address
  std::map<std::uint64_t, std::vector<ProcessEntry*>> families;
  for (const auto& process : system.processes()) {
    process->out.mm_group = process->out.fd_group = process->pid;
    const bool ended = process->stat.has_exited();
    if (!ended && process->stat.start_stack != 0)
      families[process->stat.start_stack].push_back(process.get());
  }
  for (const auto& [start, family] : families) {
    if (family.size() < 2) continue;
    group(family, linux::Kcmp::Vm, &snapshot::Process::mm_group);
    group(family, linux::Kcmp::Files, &snapshot::Process::fd_group);
  }
}

}  // namespace ipcdoctor::collect
