#pragma once

#include <string>
#include <unordered_map>

#include "runtime/cpython/reach.h"
#include "snapshot/snapshot.h"

namespace ipcdoctor::runtime::cpython {

/// Fills the numbers and texts of objects.md for an object of a known type. What cannot be read is
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
  void lock(Out& out) const;
  void rlock(Out& out) const;
  void condition(Out& out) const;
  void event(Out& out) const;
  void semaphore(Out& out) const;
  void barrier(Out& out) const;
  void thread(Out& out) const;
  void queue(Out& out) const;
  void mp_queue(Out& out) const;
  void mp_simple_queue(Out& out) const;
  void sem_lock(Out& out) const;
  void mp_lock(Out& out) const;
  void mp_condition(Out& out) const;
  void mp_event(Out& out) const;
  void mp_barrier(Out& out) const;
  void process(Out& out) const;
  void connection(Out& out) const;
  void listener(Out& out) const;
  void pool(Out& out) const;
  void future(Out& out) const;
  void thread_executor(Out& out) const;
  void process_executor(Out& out) const;
  void proxy(Out& out) const;
  void popen(Out& out) const;
  void import_lock(Out& out) const;
  void handler(Out& out) const;
  void server(Out& out) const;

  Object at(Object object, std::string_view name) const {
    return objects_->attribute(object, name);
  }
  /// The number at an address.
  template <class T>
  void put(Out& out, const std::string& key, std::uint64_t address) const;
  void put_int(Out& out, const char* key, Object object) const;
  void put_bool(Out& out, const char* key, Object object) const;
  void put_fd(Out& out, const char* key, Object connection) const;
  void put_file_fd(Out& out, const char* key, Object file) const;
  void put_length(Out& out, const char* key, Object object) const;
  void put_sem(Out& out, const std::string& prefix, Object lock) const;
  void put_owner(Out& out, std::uint64_t ident) const;
  void put_pids(Out& out, const std::vector<Object>& processes) const;
  std::optional<bool> thread_exists(Object thread) const;
  std::optional<std::int64_t> semaphore_value(Object lock) const;

  const Objects* objects_;
  const Types* types_;
  const std::unordered_map<std::uint64_t, Tid>* tids_;
  bool complete_;
};

}  // namespace ipcdoctor::runtime::cpython
