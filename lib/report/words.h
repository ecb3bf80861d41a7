#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "graph/wait_graph.h"
#include "report/report.h"
#include "snapshot/snapshot.h"

/// The words that several formats use for the same things.
namespace ipcdoctor::report {

std::string_view word_for(snapshot::Scope scope);     ///< "target", "descendant" ...
std::string_view word_for(snapshot::WaitKind kind);   ///< "read", "file-lock" ...
std::string_view word_for(snapshot::Access access);   ///< "read", "write", "both", "none"
std::string_view word_for(snapshot::FrameKind kind);  ///< "native", "inlined", "python"
std::string_view word_for(graph::Level level);        ///< "live", "stuck" ...
std::string_view word_for(Cause cause);               ///< "denied", "timed-out" ...
std::string capitals(diagnosis::Verdict verdict);     ///< "DEADLOCK" ...

/// What is said of a tree in which nothing was found; "" of other verdicts.
std::string_view words_for(diagnosis::Verdict verdict);

/// One word for what a thread is doing: "runs", "sleeps", "waits for data".
std::string state_words(const snapshot::Thread& thread);

/// The processes that were looked into: the tree, what belongs to it, and those it waits for.
std::vector<const snapshot::Process*> examined(const snapshot::Snapshot& snapshot);

/// The denied fact of a process that is neither in the tree nor waited for.
bool is_outside(const snapshot::Snapshot& snapshot, const snapshot::Unseen& unseen);

/// What was not seen and what stayed inconclusive, one line a fact, not escaped. The denied facts
/// of outsiders are one line with the first PIDs, unless `each` is wanted.
std::vector<std::string> unseen_lines(const snapshot::Snapshot& snapshot,
                                      const std::vector<Error>& inconclusive, bool each);

/// "app.py:9 in consumer", "libfoo.so+0x1234 in f", "?" of one frame.
std::string frame_words(const snapshot::Frame& frame);

/// "app.py:9 in consumer" of where a thread is in the user's code; "" if unknown. Safe to print.
std::string place_words(const snapshot::Thread& thread);

/// ", from app.py:17 in main": who called the user's innermost function from another file, where
/// that function stands at `where`; "" if it was called from its own file, or by the runtime. Safe
/// to print.
std::string caller_words(const snapshot::Snapshot& snapshot, snapshot::TaskRef task,
                         std::string_view where);

/// As people know it: 43 of a thread, 7 of task 7 of a language's runtime.
int number_in_list(const snapshot::Snapshot& snapshot, Tid tid);

/// "thread 43", "task 7".
std::string name_in_list(const snapshot::Snapshot& snapshot, Tid tid);

/// "python3[4242], [4243] and 7 more": at most `limit` of them are named. Safe to print.
std::string labels_of(const snapshot::Snapshot& snapshot,
                      const std::vector<snapshot::TaskRef>& tasks, std::size_t limit);

/// Those of whom the culprits' reasons do not tell already what they wait for, and where; idle
/// helpers of libraries only where nobody else is stuck.
std::vector<const diagnosis::StuckTask*> stuck_beside_blame(const diagnosis::Finding& finding);

/// What a culprit is to blame for; "" where the finding's title says just that.
std::string why_beside_title(const diagnosis::Finding& finding, const diagnosis::Culprit& culprit);

/// "Checked: with fd 4 closed in app[40] and app[42], both could go on."; "" where nothing was.
std::string checked_words(const diagnosis::Finding& finding);

/// "fd 4" of a culprit; "" if it has none or its reason names it.
std::string fd_words(const diagnosis::Culprit& culprit);

/// "1 process", "2 processes".
std::string count_of(std::size_t n, std::string_view singular, std::string_view plural);

/// Each number as one #: "the exit of 42" and "the exit of 43" are one kind of wait.
std::string without_numbers(std::string_view text);

}  // namespace ipcdoctor::report
