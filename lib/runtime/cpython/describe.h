#pragma once

#include <string>
#include <unordered_map>

#include "runtime/cpython/reach.h"
#include "snapshot/snapshot.h"

namespace ipcdoctor::runtime::cpython {

/// Fills what snapshot/facts.h lists for an object of a known type. What cannot be read is
/// left out.
class Describer {
 public:
  /// @param tids  the threads that have a thread state, by ident (pthread_self); all of them if
  ///              `complete`.
  Describer(const Objects& objects, const Types& types,
            const std::unordered_map<std::uint64_t, Tid>& tids, bool complete)
      : objects_(&objects), types_(&types), tids_(&tids), complete_(complete) {}

  snapshot::RuntimeObject describe(const Reached& what) const;

 private:
  struct Out;
  void event(Out& out) const;
  void semaphore(Out& out) const;
  void barrier(Out& out) const;
  void thread(Out& out) const;
  void queue(Out& out) const;
  void mp_queue(Out& out) const;
  void mp_simple_queue(Out& out) const;
  void sem_lock(Out& out) const;
  void mp_lock(Out& out) const;
  void process(Out& out) const;
  void connection(Out& out) const;
  void listener(Out& out) const;
  void pool(Out& out) const;
  void thread_executor(Out& out) const;
  void process_executor(Out& out) const;
  void popen(Out& out) const;

  Object at(Object object, std::string_view name) const {
    return objects_->attribute(object, name);
  }
  /// The number at an address.
  template <class T>
  void put(Out& out, snapshot::Number key, std::uint64_t address) const;
  void put_int(Out& out, snapshot::Number key, Object object) const;
  void put_bool(Out& out, snapshot::Number key, Object object) const;
  void put_fd(Out& out, snapshot::Number key, Object connection) const;
  void put_file_fd(Out& out, snapshot::Number key, Object file) const;
  void put_length(Out& out, snapshot::Number key, Object object) const;
  void put_exists(Out& out, snapshot::Number key, Object thread) const;
  void put_workers(Out& out, const std::vector<Object>& processes) const;
  std::optional<bool> thread_exists(Object thread) const;
  std::optional<std::int64_t> semaphore_value(Object lock) const;

  const Objects* objects_;
  const Types* types_;
  const std::unordered_map<std::uint64_t, Tid>* tids_;
  bool complete_;
};

}  // namespace ipcdoctor::runtime::cpython
