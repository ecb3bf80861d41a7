#pragma once

#include <string>
#include <vector>

#include "runtime/hotspot/vm.h"
#include "snapshot/snapshot.h"

namespace ipcdoctor::runtime::hotspot {

struct JavaThread {
  int ns_tid = 0;                       ///< in its own PID namespace
  std::vector<snapshot::Frame> frames;  ///< of Java, innermost first
  /// What it is for the JVM, by all methods that it is in: "reference handler of the JVM"; "" for
  /// others.
  std::string housekeeping;
  /// It reaps one child for the library, from the child's begin on: "process reaper".
  bool reaps = false;
  bool of_vm = false;           ///< it is not in any Java code: a thread of the JVM
  bool awaits_child = false;    ///< the program itself waits for the end of one: Process.waitFor()
  snapshot::Activity activity;  ///< in which call of the library it waits
  RemoteAddr wanted_monitor;    ///< it waits to enter that one; 0: none
  std::string monitor_class;    ///< of the object, "java.lang.Object"; "" if unknown
  int monitor_owner = 0;        ///< ns_tid of who has it; 0: nobody, or not known
  RemoteAddr wanted_lock;       ///< the same of a lock of java.util.concurrent that has an owner
  std::string lock_class;       ///< "ReentrantLock"
  int lock_owner = 0;
  bool only_owner_helps = false;  ///< a lock of the library, and not in lockInterruptibly(), as far
                                  ///< as can be told
};

/// The threads that run Java, as far as they can be read: those that are in the JVM or in native
/// code at the moment, the others have no frames. Of compiled methods, what was inlined into them
/// is not told, nor is the line.
/// @return Malformed: the list of threads cannot be read.
Result<std::vector<JavaThread>> read_threads(const Vm& vm);

/// What a handler that the JVM installed does, by its function's name; nullopt: it is not known.
/// SIGHUP, SIGINT and SIGTERM end the program where no part of it could ask for more: neither
/// sun.misc.Signal, for an answer of its own, nor shutdown hooks were ever loaded. Who has hooks
/// may be waiting for the signal. Source: OpenJDK 17, src/hotspot/os/posix/signals_posix.cpp,
/// java.lang.Terminator, java.lang.Runtime.
std::optional<snapshot::Effects> known_handler(const Vm& vm, int signal, std::string_view name);

}  // namespace ipcdoctor::runtime::hotspot
