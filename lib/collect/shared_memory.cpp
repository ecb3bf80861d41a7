#include "collect/shared_memory.h"

#include <sys/sysmacros.h>

#include <algorithm>
#include <string>

#include "base/text.h"
#include "collect/group_equal.h"
#include "collect/tables.h"
#include "linux/kcmp.h"
#include "linux/mapped_files.h"
#include "linux/other_name.h"
#include "linux/proc_maps.h"
#include "linux/same_memory.h"

namespace ipcdoctor::collect {
namespace {

using snapshot::Fd;
using snapshot::SharedArea;

/// A leader that has exited shows none; its threads that live on do. Who may not see the leader's
/// may not see those either, of which there may be hundreds.
Result<std::string> read_maps(const ProcessEntry& process) {
  constexpr std::size_t kMost = 64 << 20;
  auto text = process.dir->read("maps", kMost);
  if (process.stat.num_threads <= 1 || !text || !text->empty()) return text;
  const auto tids = process.dir->list_numbers("task");
  if (!tids) return tids.error();
  for (const int tid : *tids) {
    auto of_thread = process.dir->read("task/" + std::to_string(tid) + "/maps", kMost);
    if (of_thread && !of_thread->empty()) return of_thread;
    if (!of_thread && of_thread.error().cause != Cause::Gone) text = of_thread.error();
  }
  return text;
}

linux::MappedFiles files_of(const std::vector<linux::Mapping>& maps) {
  linux::MappedFiles files;
  for (const linux::Mapping& mapping : maps)
    if (mapping.ino != 0) files.emplace_back(mapping.dev, mapping.ino);
  std::ranges::sort(files);
  const auto repeated = std::ranges::unique(files);
  files.erase(repeated.begin(), repeated.end());
  return files;
}

/// A name by which a stranger could still map it: a path, or a System V id.
bool has_name(std::string_view path) {
  if (path.starts_with("/SYSV")) return true;
  return !path.empty() && !path.ends_with(" (deleted)");
}

}  // namespace

void SharedAreas::add_waits(ProcessEntry& process) {
  for (const ThreadEntry& thread : process.threads) {
    if (thread.out.wait) add_wait(process, *thread.out.wait);
    for (const snapshot::Wait& question : thread.out.asks) add_wait(process, question);
  }
}

void SharedAreas::add_wait(ProcessEntry& process, const snapshot::Wait& wait) {
  const snapshot::FutexWait& futex = wait.futex;
  if (wait.kind != snapshot::WaitKind::Futex || !futex.shared_memory) return;
  SharedArea& area = areas_[{futex.page.dev, futex.page.ino}];
  if (!area.mappers.empty()) return;
  area.dev = futex.page.dev;
  area.ino = futex.page.ino;
  const auto space = system_.space_of(process);
  const linux::Mapping* mapping =
      space ? linux::find_mapping((*space)->maps(), futex.address) : nullptr;
  if (mapping != nullptr) {
    const auto other = has_name(mapping->path) || !process.dir
                           ? Result<std::optional<std::string>>(std::nullopt)
                           : linux::find_other_name(*process.dir, *mapping);
    const std::string path = other && *other ? **other : mapping->path;
    area.path = escape_untrusted(path);
    area.has_name = !other || has_name(path);
  }
  find_mappers(area);
}

const linux::MappedFiles* SharedAreas::mapped_by(ProcessEntry& process) {
  const auto [it, is_new] = mapped_.try_emplace(process.pid);
  if (is_new) it->second = read_files(process);
  return it->second ? &*it->second : nullptr;
}

std::optional<linux::MappedFiles> SharedAreas::read_files(ProcessEntry& process) {
  const Risk risk(system_.progress(), process.pid, Fact::Maps);
  if (!risk.allowed()) return std::nullopt;
  if (const linux::Maps* maps = process.space ? process.space->shared_maps() : nullptr) {
    const auto [known, is_new] = files_of_.try_emplace(maps);
    if (is_new) known->second = files_of(maps->all);
    if (!known->second.empty()) return known->second;
  }
  const auto text = read_maps(process);
  auto read = text ? linux::parse_mapped_files(*text) : Result<linux::MappedFiles>(text.error());
  if (text && text->empty() && !process.stat.has_exited())
    read = Error{Cause::Gone, 0, "it has ended since it was listed"};
  if (read) return *std::move(read);
  if (read.error().cause == Cause::Gone)
    ++gone_;
  else
    system_.note_hidden_holder(read.error());
  return std::nullopt;
}

void SharedAreas::find_mappers(SharedArea& area) {
  std::set<Pid> found;
  std::vector<linux::deputy::File> files;
  for (const auto& process : system_.processes())
    if (process->scope != snapshot::Scope::Self && !process->space &&
        !mapped_.contains(process->pid))
      files.push_back({system_.dir_to_read_ahead(*process), "maps"});
  const linux::deputy::ReadAhead ahead(linux::deputy::Wish::Read, files);
  for (const auto& process : system_.processes()) {
    if (process->scope == snapshot::Scope::Self) continue;
    const linux::MappedFiles* mapped = mapped_by(*process);
    if (mapped != nullptr && std::ranges::binary_search(*mapped, std::pair(area.dev, area.ino)))
      found.insert(process->pid);
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

bool SharedAreas::look_again() {
  constexpr int kMaxPasses = 64;
  if (areas_.empty()) return false;
  const std::size_t before = mappers_.size();
  for (int pass = 0; pass <= kMaxPasses; ++pass) {
    const auto changed = system_.scan();
    if (pass == kMaxPasses || !changed) system_.note_restless();
    if (!changed || (!*changed && gone_ == known_gone_)) break;
    known_gone_ = gone_;
    for (auto& [id, area] : areas_) find_mappers(area);
  }
  return mappers_.size() != before;
}

const SharedArea* SharedAreas::find(const snapshot::PageId& page) const {
  const auto it = areas_.find({page.dev, page.ino});
  return it == areas_.end() ? nullptr : &it->second;
}

std::vector<SharedArea> SharedAreas::list() const {
  std::vector<SharedArea> areas;
  for (const auto& [id, area] : areas_) areas.push_back(area);
  return areas;
}

namespace {

/// The numbers of anonymous files say whose they are, not which.
bool hold_the_same(const std::vector<Fd>& a, const std::vector<Fd>& b) {
  return std::ranges::equal(a, b, [](const Fd& x, const Fd& y) {
    const bool numbered = x.object.dev == 0 || x.object.kind == snapshot::ObjectKind::File ||
                          x.object.kind == snapshot::ObjectKind::Fifo;
    return x.fd == y.fd && x.access == y.access &&
           (numbered ? x.object == y.object : x.object.kind == y.object.kind);
  });
}

/// Marks of one address space never sink, so that those of the second look at `a` are at least
/// those of the first at `b`, and so on.
bool differ(const linux::MemoryMarks& a, const linux::MemoryMarks& a_later,
            const linux::MemoryMarks& b, const linux::MemoryMarks& b_later) {
  if (!a.known || !a_later.known || !b.known || !b_later.known) return false;
  const auto apart = [](std::uint64_t x, std::uint64_t x_later, std::uint64_t y,
                        std::uint64_t y_later) { return x_later < y || y_later < x; };
  return apart(a.size_kb, a_later.size_kb, b.size_kb, b_later.size_kb) ||
         apart(a.resident_kb, a_later.resident_kb, b.resident_kb, b_later.resident_kb);
}

/// @param number  what the kernel itself calls it, where that is known of all
Status group(const std::vector<ProcessEntry*>& family, linux::Kcmp what,
             std::uint64_t ProcessEntry::*number, Pid snapshot::Process::*member) {
  const bool numbered = std::ranges::all_of(family, [&](auto* p) { return p->*number != 0; });
  const auto groups = group_equal(
      family, [&](const ProcessEntry* a, const ProcessEntry* b) -> Result<std::strong_ordering> {
        if (numbered) return a->*number <=> b->*number;
        return linux::compare_tasks(what, Tid{a->pid.value}, Tid{b->pid.value});
      });
  if (!groups) return groups.error();
  for (const std::vector<ProcessEntry*>& same : *groups) {
    Pid lowest = same.front()->pid;
    for (const ProcessEntry* process : same) lowest = std::min(lowest, process->pid);
    for (ProcessEntry* process : same) process->out.*member = lowest;
  }
  return Done{};
}

/// Of those that `may_share`, each with the lowest pid of all that it is connected to.
template <class MayShare>
void join(const std::vector<ProcessEntry*>& family, Pid snapshot::Process::*member,
          MayShare may_share) {
  for (bool changed = true; changed;) {
    changed = false;
    for (std::size_t i = 0; i < family.size(); ++i) {
      for (std::size_t j = i + 1; j < family.size(); ++j) {
        Pid &a = family[i]->out.*member, &b = family[j]->out.*member;
        if (a == b || !may_share(i, j)) continue;
        a = b = std::min(a, b);
        changed = true;
      }
    }
  }
}

/// Without kcmp(2): processes whose high-water marks differ have two address spaces, those that
/// hold different descriptors two tables. Of all others nobody knows: they are taken for one, which
/// adds wakers and takes none away.
void join_unknown(System& system, const std::vector<ProcessEntry*>& family) {
  constexpr std::size_t kMost = 256;
  std::vector<linux::MemoryMarks> before, after;
  if (family.size() <= kMost) {
    for (const ProcessEntry* process : family)
      before.push_back(linux::read_memory_marks(*process->dir));
    for (const ProcessEntry* process : family)
      after.push_back(linux::read_memory_marks(*process->dir));
  }
  join(family, &snapshot::Process::mm_group, [&](std::size_t i, std::size_t j) {
    const bool maybe = before.empty() || !(differ(before[i], after[i], before[j], after[j]));
    if (maybe) system.note_unknown_sharing();
    return maybe;
  });
  join(family, &snapshot::Process::fd_group, [&](std::size_t i, std::size_t j) {
    return family[i]->fds && family[j]->fds && hold_the_same(*family[i]->fds, *family[j]->fds);
  });
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
    if (system.can_compare()) {
      Status grouped = group(family, linux::Kcmp::Vm, &ProcessEntry::memory_number,
                             &snapshot::Process::mm_group);
      if (grouped)
        grouped = group(family, linux::Kcmp::Files, &ProcessEntry::table_number,
                        &snapshot::Process::fd_group);
      if (grouped) continue;
      system.doubt_comparing(grouped.error());
    }
    join_unknown(system, family);
  }
}

}  // namespace ipcdoctor::collect
