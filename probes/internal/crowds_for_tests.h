#pragma once

#include <string>
#include <vector>

#include "snapshot/testing.h"

/// Programs of many alike tasks, for tests and benchmarks.
namespace ipcdoctor::probes::testing {

using snapshot::Access;
using snapshot::LockKind;
using snapshot::Process;
using snapshot::Snapshot;
using snapshot::testing::Builder;
using snapshot::testing::object;
using snapshot::testing::pipe;
using snapshot::testing::ProcessBuilder;
using snapshot::testing::task;

constexpr int kFirstPid = 1000;

/// Puts `count` copies of the process behind the last one, each made its own by `adapt`.
template <class Adapt>
void add_copies(Snapshot& snapshot, const Process& like, int count, const Adapt& adapt) {
  for (int i = 0; i < count; ++i) {
    Process copy = like;
    copy.pid = Pid{snapshot.processes.back().pid.value + 1};
    copy.mm_group = copy.fd_group = copy.pid;
    copy.threads.front().tid = Tid{copy.pid.value};
    adapt(copy, i);
    snapshot.processes.push_back(std::move(copy));
  }
}

inline void keep(Process&, int) {}

/// All read one pipe of which all have both ends.
inline Snapshot readers_of_a_pipe(int count) {
  Builder b;
  for (const int pid : {kFirstPid, kFirstPid + 1}) {
    auto process = b.process(pid).comm("reader").child_of(pid == kFirstPid ? 1 : kFirstPid);
    process.fd(3, pipe(7), Access::Read).fd(4, pipe(7), Access::Write);
    process.thread().at("/src/reader.py", 9, "work").reads(3);
  }
  Snapshot snapshot = b.build();
  add_copies(snapshot, Process(snapshot.processes.back()), count - 2, keep);
  return snapshot;
}

/// One holds a mutex and joins the first of those who wait for it.
inline Snapshot threads_at_a_mutex(int count) {
  Builder b;
  auto process = b.process(kFirstPid).comm("threads").thread();
  process.at("/src/app.c", 30, "main").futex(0x7000, LockKind::ThreadJoin);
  process.owned_by({task(kFirstPid, kFirstPid + 1)});
  process.thread(kFirstPid + 1).at("/src/app.c", 9, "work").futex(0x4000, LockKind::Mutex);
  process.owned_by({task(kFirstPid)});
  Snapshot snapshot = b.build();
  auto& threads = snapshot.processes.front().threads;
  const snapshot::Thread like = threads.back();
  for (int i = 2; i < count; ++i) {
    threads.push_back(like);
    threads.back().tid = Tid{kFirstPid + i};
  }
  return snapshot;
}

/// A parent joins consumers of a multiprocessing.Queue: one has the queue's lock and reads its
/// pipe, the others wait for the lock.
inline Snapshot consumers_of_a_queue(int count) {
  Builder b;
  b.area(5, {});
  auto parent = b.process(kFirstPid).comm("python3").python();
  parent.fd(3, pipe(7), Access::Read).fd(4, pipe(7), Access::Write);
  parent.thread().at("/src/app.py", 30, "main").activity("multiprocessing.Process.join");
  parent.waits_for_children({kFirstPid + 1});
  for (int i = 1; i <= 2; ++i) {
    auto consumer = b.process(kFirstPid + i).comm("python3").child_of(kFirstPid).python();
    consumer.process().forked_copy = true;
    consumer.fd(3, pipe(7), Access::Read).fd(4, pipe(7), Access::Write);
    consumer.thread().at("/src/app.py", 9, "work").activity("multiprocessing.Queue.get");
    if (i == 1) {
      consumer.reads(3);
    } else {
      consumer.shared_futex(5, LockKind::SharedSemaphore);
      consumer.lock().numbers = {{snapshot::LockNumber::Value, 0}, {snapshot::LockNumber::Max, 1}};
    }
  }
  Snapshot snapshot = b.build();
  add_copies(snapshot, Process(snapshot.processes.back()), count - 3, keep);
  for (const Process& process : snapshot.processes)
    snapshot.shared_areas.front().mappers.push_back(process.pid);
  return snapshot;
}

/// As many programs as `kinds`, each with readers of a pipe of its own.
inline Snapshot many_kinds(int count, int kinds) {
  Builder b;
  b.process(kFirstPid).comm("root").thread().waits_for_children({kFirstPid + 1});
  Snapshot snapshot = b.build();
  const Process like = readers_of_a_pipe(2).processes.back();
  for (int k = 0; k < kinds; ++k) {
    const snapshot::ObjectId id = pipe(static_cast<std::uint64_t>(100 + k));
    Builder one;
    one.object(id);
    snapshot.objects.push_back(one.build().objects.front());
    add_copies(snapshot, like, count / kinds, [&](Process& process, int) {
      process.comm = "kind" + std::to_string(k);
      for (snapshot::Fd& fd : *process.fds) fd.object = id;
      process.threads.front().wait->objects.front().object = id;
    });
  }
  for (std::size_t i = 2; i < snapshot.processes.size(); ++i)
    snapshot.processes.front().threads.front().wait->children.push_back(snapshot.processes[i].pid);
  return snapshot;
}

/// Each reads from the one before it, the first from the last: none can be left out.
inline Snapshot ring(int count) {
  Builder b;
  for (int i = 0; i < count; ++i) {
    const auto from = static_cast<std::uint64_t>(100 + i);
    const auto to = static_cast<std::uint64_t>(100 + (i + 1) % count);
    auto process = b.process(kFirstPid + i).comm("stage").child_of(i == 0 ? 1 : kFirstPid);
    process.fd(3, pipe(from), Access::Read).fd(4, pipe(to), Access::Write);
    process.thread().at("/src/stage.py", 9, "work").reads(3);
  }
  return b.build();
}

}  // namespace ipcdoctor::probes::testing
