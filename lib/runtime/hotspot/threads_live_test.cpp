#include "runtime/hotspot/threads.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <thread>

#include "unwind/child_for_test.h"

namespace ipcdoctor::runtime::hotspot {
namespace {

using unwind::test::Child;

bool has_java() {
  return std::system("java -version >/dev/null 2>&1") == 0;
}

/// A JVM that runs the source of a class Main, and what is read of it.
class Java {
 public:
  explicit Java(const std::string& body, const std::string& imports = "")
      : path_(::testing::TempDir() + "hotspot_" + std::to_string(::getpid())) {
    std::filesystem::create_directories(path_);
    std::ofstream(path_ + "/Main.java") << imports << "\npublic class Main {\n" << body << "\n}\n";
    child_.emplace([this] {
      const std::string source = path_ + "/Main.java";
      (void)::execlp("java", "java", "-Xmx64m", "-XX:+UseSerialGC", source.c_str(),
                     static_cast<char*>(nullptr));
    });
  }
  ~Java() {
    child_.reset();
    std::filesystem::remove_all(path_);
  }
  Java(const Java&) = delete;
  Java& operator=(const Java&) = delete;

  /// Reads the threads again and again until they are as wished, or for thirty seconds.
  std::vector<JavaThread> threads(const std::function<bool(const std::vector<JavaThread>&)>& wish) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (std::chrono::steady_clock::now() < end) {
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
      unwind::Images images;
      const auto space = linux::AddressSpace::open(Pid{child_->pid()});
      if (!space) continue;
      const auto vm = Vm::find(*space, images);
      auto threads = vm ? read_threads(*vm) : Result<std::vector<JavaThread>>(vm.error());
      if (!threads || !wish(*threads)) continue;
      shutdown_ = known_handler(*vm, SIGTERM, "UserHandler(int, void*, void*) in libjvm.so");
      return *threads;
    }
    return {};
  }
  /// As of the last reading.
  const std::optional<snapshot::Effects>& shutdown() const { return shutdown_; }

 private:
  std::string path_;
  std::optional<Child> child_;
  std::optional<snapshot::Effects> shutdown_;
};

const snapshot::Frame* user_frame(const JavaThread& thread) {
  const auto it = std::ranges::find_if(thread.frames, &snapshot::Frame::user_code);
  return it == thread.frames.end() ? nullptr : &*it;
}

const JavaThread* find_in(const std::vector<JavaThread>& threads, std::string_view function) {
  const auto it = std::ranges::find_if(threads, [&](const JavaThread& thread) {
    const auto* frame = user_frame(thread);
    return frame != nullptr && frame->function == function;
  });
  return it == threads.end() ? nullptr : &*it;
}

bool has_housekeeping(const std::vector<JavaThread>& threads, std::string_view what) {
  return std::ranges::any_of(threads,
                             [&](const JavaThread& thread) { return thread.housekeeping == what; });
}

}  // namespace

TEST(HotSpot, TellsWhichMonitorsTwoThreadsWantAndWhoHasThem) {
  if (!has_java()) GTEST_SKIP() << "no java here";
  Java java(R"(
  static final Object A = new Object(), B = new Object();
  static void pause() { try { Thread.sleep(500); } catch (Exception e) {} }
  static void other() { synchronized (B) { pause(); synchronized (A) {} } }
  public static void main(String[] a) {
    new Thread(() -> other()).start();
    synchronized (A) { pause();
      synchronized (B) {} }
  })");

  const auto threads = java.threads([](const std::vector<JavaThread>& all) {
    return std::ranges::count_if(all, [](const JavaThread& t) { return t.monitor_owner > 0; }) == 2;
  });

  const JavaThread* main = find_in(threads, "Main.main");
  const JavaThread* other = find_in(threads, "Main.other");
  ASSERT_TRUE(main != nullptr && other != nullptr);
  EXPECT_EQ(main->monitor_owner, other->ns_tid);
  EXPECT_EQ(other->monitor_owner, main->ns_tid);
  EXPECT_NE(main->wanted_monitor, other->wanted_monitor);
  EXPECT_EQ(user_frame(*main)->file, "Main.java");
  EXPECT_EQ(user_frame(*main)->line, 10);
  EXPECT_EQ(main->housekeeping, "");
}

TEST(HotSpot, TellsWhoHasTheLocksOfTheLibrary) {
  if (!has_java()) GTEST_SKIP() << "no java here";
  Java java(R"(
  static final ReentrantLock A = new ReentrantLock();
  static final ReentrantReadWriteLock B = new ReentrantReadWriteLock(true);
  static void pause() { try { Thread.sleep(500); } catch (Exception e) {} }
  static void other() { B.writeLock().lock(); pause(); A.lock(); }
  static void third() { try { pause(); A.lockInterruptibly(); } catch (Exception e) {} }
  static class Gate extends AbstractQueuedSynchronizer {
    protected boolean tryAcquire(int n) {
      if (!compareAndSetState(0, 1)) return false;
      setExclusiveOwnerThread(Thread.currentThread());
      return true;
    }
  }
  static final Gate C = new Gate();
  static void fourth() { pause(); C.acquire(1); }
  public static void main(String[] a) {
    new Thread(() -> other()).start();
    new Thread(() -> third()).start();
    new Thread(() -> fourth()).start();
    C.acquire(1); A.lock(); pause(); B.readLock().lock();
  })",
            "import java.util.concurrent.locks.*;");

  const auto threads = java.threads([](const std::vector<JavaThread>& all) {
    return std::ranges::count_if(all, [](const JavaThread& t) { return t.lock_owner > 0; }) == 4;
  });

  const JavaThread* main = find_in(threads, "Main.main");
  const JavaThread* other = find_in(threads, "Main.other");
  const JavaThread* third = find_in(threads, "Main.third");
  const JavaThread* fourth = find_in(threads, "Main.fourth");
  ASSERT_TRUE(main != nullptr && other != nullptr && third != nullptr && fourth != nullptr);
  EXPECT_EQ(main->lock_owner, other->ns_tid);
  EXPECT_EQ(main->lock_class, "ReentrantReadWriteLock");
  EXPECT_EQ(other->lock_owner, main->ns_tid);
  EXPECT_EQ(other->lock_class, "ReentrantLock");
  EXPECT_TRUE(other->only_owner_helps);
  EXPECT_EQ(third->lock_owner, main->ns_tid);
  EXPECT_EQ(third->wanted_lock, other->wanted_lock);
  EXPECT_FALSE(third->only_owner_helps);
  EXPECT_EQ(fourth->lock_owner, main->ns_tid);
  EXPECT_FALSE(fourth->only_owner_helps) << "anybody may give back what the program wrote itself";
}

TEST(HotSpot, KnowsTheThreadsThatTheJvmItselfMade) {
  if (!has_java()) GTEST_SKIP() << "no java here";
  Java java("  public static void main(String[] a) throws Exception { Thread.sleep(60000); }");

  const auto threads = java.threads([](const std::vector<JavaThread>& all) {
    return find_in(all, "Main.main") != nullptr && has_housekeeping(all, "cleaner of the JVM");
  });

  EXPECT_TRUE(has_housekeeping(threads, "reference handler of the JVM"));
  EXPECT_TRUE(has_housekeeping(threads, "finalizer of the JVM"));
  ASSERT_TRUE(java.shutdown());
  EXPECT_EQ(java.shutdown()->mask, snapshot::kExits);
}

TEST(HotSpot, AThreadThatCleansUpForTheProgramIsItsOwn) {
  if (!has_java()) GTEST_SKIP() << "no java here";
  Java java(R"(
  static void stay() { try { Thread.sleep(60000); } catch (Exception e) {} }
  public static void main(String[] a) throws Exception {
    var cleaner = java.lang.ref.Cleaner.create();
    cleaner.register(new Object(), () -> stay());
    while (true) { System.gc(); Thread.sleep(100); }
  })");

  const auto threads = java.threads(
      [](const std::vector<JavaThread>& all) { return find_in(all, "Main.stay") != nullptr; });

  const JavaThread* cleans = find_in(threads, "Main.stay");
  ASSERT_NE(cleans, nullptr);
  EXPECT_EQ(cleans->housekeeping, "");
}

TEST(HotSpot, AProgramThatAnswersSignalsItselfIsNotEndedByThem) {
  if (!has_java()) GTEST_SKIP() << "no java here";
  const auto runs = [](const std::vector<JavaThread>& all) {
    return find_in(all, "Main.main") != nullptr;
  };
  {
    Java java(R"(
  public static void main(String[] a) throws Exception {
    Runtime.getRuntime().addShutdownHook(new Thread(() -> {}));
    Thread.sleep(60000);
  })");
    ASSERT_FALSE(java.threads(runs).empty());
    EXPECT_FALSE(java.shutdown());
  }
  Java java(R"(
  public static void main(String[] a) throws Exception {
    sun.misc.Signal.handle(new sun.misc.Signal("TERM"), s -> {});
    Thread.sleep(60000);
  })");
  ASSERT_FALSE(java.threads(runs).empty());
  EXPECT_FALSE(java.shutdown());
}

}  // namespace ipcdoctor::runtime::hotspot
