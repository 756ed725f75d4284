#include "process_tree.h"

#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <unordered_set>

namespace headrace::collect {

namespace {

constexpr int kRounds = 3;
constexpr auto kFresh = std::chrono::milliseconds(5);

// Children of our own besides the root are never taken for its descendants by a pipe: one that was forked (by
// other code of this process) while the root was being started may hold a copy.
bool holds_output(const TreeRoot& root, const Process& process) {
  if (process.parent == ::getpid()) return false;
  const auto& pipes = process.writable_pipes();
  return std::any_of(root.outputs.begin(), root.outputs.end(), [&](const std::string& output) {
    return std::find(pipes.begin(), pipes.end(), output) != pipes.end();
  });
}

bool born_of(const TreeRoot& root, const Process& process) {
  return process.session == root.pid || (!root.mark.empty() && process.mark() == root.mark) ||
         holds_output(root, process);
}

}  // namespace

std::vector<Process> TreeKiller::members(const TreeRoot& root, Clock::time_point since_when) {
  const std::lock_guard lock(mutex_);
  if (looked_at_ < since_when) {
    looked_at_ = Clock::now();
    processes_ = list_processes();
  }
  const std::vector<Process>& all = processes_;
  const auto itself =
      std::find_if(all.begin(), all.end(), [&](const Process& process) { return process.pid == root.pid; });
  const auto since = itself != all.end() ? itself->started : 0;
  std::unordered_set<pid_t> inside = {root.pid, ::getpid()};
  std::vector<Process> found;
  for (const Process& process : all) {
    if (process.started < since || inside.count(process.pid) != 0 || !born_of(root, process)) continue;
    inside.insert(process.pid);
    found.push_back(process);
  }
  inside.erase(::getpid());
  for (bool grown = true; grown;) {
    grown = false;
    for (const Process& process : all) {
      if (inside.count(process.parent) == 0 || !inside.insert(process.pid).second) continue;
      found.push_back(process);
      grown = true;
    }
  }
  return found;
}

void TreeKiller::signal(const TreeRoot& root, int signal) {
  // Before the signal: the dead have no children to be found by.
  std::vector<Process> known = members(root, Clock::now() - kFresh);
  ::kill(-root.pid, signal);                          // reaches what the group forks at this moment, too
  if (signal == SIGTERM) ::kill(-root.pid, SIGCONT);  // a stopped process ends only when it runs
  std::unordered_set<pid_t> signalled;
  for (int round = 0; round < kRounds; ++round) {
    bool any = false;
    for (const Process& process : known) {
      if (process.group == root.pid || !signalled.insert(process.pid).second) continue;
      any = process.signal(signal) || any;
    }
    if (!any) return;
    known = members(root, Clock::now());
  }
}

bool TreeKiller::has_descendants(const TreeRoot& root) {
  return !members(root, Clock::now()).empty();
}

}  // namespace headrace::collect
