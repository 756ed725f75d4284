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

const std::vector<Process>& TreeKiller::processes() {
  const auto now = std::chrono::steady_clock::now();
  if (processes_.empty() || now - looked_at_ > kFresh) {
    processes_ = list_processes();
    looked_at_ = std::chrono::steady_clock::now();
  }
  return processes_;
}

std::vector<const Process*> TreeKiller::members(const TreeRoot& root) {
  const std::vector<Process>& all = processes();
  const auto itself =
      std::find_if(all.begin(), all.end(), [&](const Process& process) { return process.pid == root.pid; });
  const auto since = itself != all.end() ? itself->started : 0;
  std::unordered_set<pid_t> inside = {root.pid, ::getpid()};
  std::vector<const Process*> found;
  for (const Process& process : all) {
    if (process.started < since || inside.count(process.pid) != 0 || !born_of(root, process)) continue;
    inside.insert(process.pid);
    found.push_back(&process);
  }
  inside.erase(::getpid());
  for (bool grown = true; grown;) {
    grown = false;
    for (const Process& process : all) {
      if (inside.count(process.parent) == 0 || !inside.insert(process.pid).second) continue;
      found.push_back(&process);
      grown = true;
    }
  }
  return found;
}

void TreeKiller::signal(const TreeRoot& root, int signal) {
  std::vector<const Process*> known =
      members(root);          // before the signal: the dead have no children to be found by
  ::kill(-root.pid, signal);  // reaches what the group forks at this moment, too
  if (signal == SIGTERM) ::kill(-root.pid, SIGCONT);  // a stopped process ends only when it runs
  std::unordered_set<pid_t> signalled;
  for (int round = 0; round < kRounds; ++round) {
    bool any = false;
    for (const Process* process : known) {
      if (process->group == root.pid || !signalled.insert(process->pid).second) continue;
      any = process->signal(signal) || any;
    }
    if (!any) return;
    processes_.clear();
    known = members(root);
  }
}

bool TreeKiller::has_descendants(const TreeRoot& root) {
  processes_.clear();
  return !members(root).empty();
}

}  // namespace headrace::collect
