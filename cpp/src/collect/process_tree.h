#pragma once

#include <chrono>
#include <mutex>
#include <string>
#include <vector>

#include "process_table.h"

namespace headrace::collect {

/// What tells the descendants of a child of ours from other processes.
struct TreeRoot {
  pid_t pid = -1;    ///< leader of its session and group; not waited for yet, so the number is still its own
  std::string mark;  ///< value of kMarkVariable that only its descendants have; empty: none was set
  std::vector<std::string> outputs;  ///< names of its output pipes; who can write to one belongs to it
};

/// Finds and signals what hangs on children of ours. Looks at the system's processes at most every few
/// milliseconds, so that ending many children costs no more than ending one. Thread-safe: those who ask at
/// the same time share one look.
class TreeKiller {
 public:
  /// Sends `signal` to all that is left of the tree: the group, then every descendant that left it, found by
  /// its parent, its session, the mark and the pipes it can write to. What those start meanwhile is looked
  /// for, too.
  void signal(const TreeRoot& root, int signal);
  /// Whether anything but the root itself is left of the tree.
  bool has_descendants(const TreeRoot& root);

 private:
  using Clock = std::chrono::steady_clock;
  /// The members of the tree as of `since` or later.
  std::vector<Process> members(const TreeRoot& root, Clock::time_point since);

  std::mutex mutex_;
  std::vector<Process> processes_;
  Clock::time_point looked_at_{};
};

}  // namespace headrace::collect
