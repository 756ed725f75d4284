#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace headrace::collect {

/// What tells the descendants of a child of ours from other processes.
struct TreeRoot {
  pid_t pid = -1;       ///< leader of its own session and group; not yet waited for, so the number is still its own
  std::string mark;     ///< an environment entry that only its descendants have; empty: none was set
  std::vector<std::string> outputs;  ///< names of its output pipes ("pipe:[1234]"); whoever holds one belongs to it
};

/// Sends `signal` to all that is left of the tree: the group and the session, then every descendant that left them,
/// found by parent, by mark and by the pipes it holds. A process started meanwhile is looked for in further rounds.
void signal_tree(const TreeRoot& root, int signal);

/// Whether anything but the root itself is left of the tree.
bool has_descendants(const TreeRoot& root);

}  // namespace headrace::collect
