#pragma once

#include <chrono>
#include <map>
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

/// Finds and signals what hangs on children of ours. However many trees it is asked about, it looks at the
/// system's processes once or a few times. Thread-safe: those who ask at the same time share one look.
class TreeKiller {
 public:
  /// Sends `signal` to all that is left of the trees: the groups, then every descendant that left them, found
  /// by its parent, its session, the mark and the pipes it can write to. What those start meanwhile is looked
  /// for, too.
  void signal(const std::vector<TreeRoot>& roots, int signal);
  /// Of each tree, whether anything but the root itself is left.
  std::vector<bool> have_descendants(const std::vector<TreeRoot>& roots);

 private:
  using Clock = std::chrono::steady_clock;
  struct Member {
    size_t tree;  ///< index of its root
    Process process;
  };
  /// The members of the trees as of `since` or later, roots left out.
  std::vector<Member> members(const std::vector<TreeRoot>& roots, Clock::time_point since);

  std::mutex mutex_;
  std::vector<Process> processes_;
  Clock::time_point looked_at_{};
};

/// What is to be done to trees in one round of events: done at its end, for all of them together.
class TreeQueue {
 public:
  /// Waits for the end of a tree.
  class Watcher {
   public:
    virtual void tree_ended() = 0;

   protected:
    ~Watcher() = default;
  };

  explicit TreeQueue(TreeKiller& killer) : killer_(killer) {}
  void signal(const TreeRoot& root, int number);
  /// At the end of the round tells the watcher, whatever was left until then.
  void finish(Watcher& watcher) { finished_.push_back(&watcher); }
  /// At the end of the round tells the watcher if nothing but the root is left; does not ask again.
  void ask(const TreeRoot& root, Watcher& watcher);
  void forget(const Watcher& watcher);
  void flush();
  /// Forgets what was not flushed: after an error, when nothing is left of the trees.
  void clear();

 private:
  TreeKiller& killer_;
  std::map<int, std::vector<TreeRoot>> signals_;  // by number
  std::vector<TreeRoot> asked_;
  std::vector<Watcher*> watchers_;  // of asked_
  std::vector<Watcher*> finished_;
};

}  // namespace headrace::collect
