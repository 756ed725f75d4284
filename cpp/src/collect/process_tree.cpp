#include "process_tree.h"

#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>

namespace headrace::collect {

namespace {

constexpr int kRounds = 3;
constexpr auto kFresh = std::chrono::milliseconds(5);
constexpr size_t kNone = static_cast<size_t>(-1);

/// Which tree a process belongs to, by what it has from its root: session, mark, open output.
class Descent {
 public:
  Descent(const std::vector<TreeRoot>& roots, const std::vector<Process>& all) : started_(roots.size(), 0) {
    for (size_t tree = 0; tree < roots.size(); ++tree) {
      by_session_[roots[tree].pid] = tree;
      if (!roots[tree].mark.empty()) by_mark_[roots[tree].mark] = tree;
      for (const std::string& output : roots[tree].outputs) by_output_[output] = tree;
    }
    for (const Process& process : all) {
      if (const auto root = by_session_.find(process.pid); root != by_session_.end())
        started_[root->second] = process.started;
    }
    earliest_ = *std::min_element(started_.begin(), started_.end());
  }

  /// kNone: to none.
  size_t tree_of(const Process& process) const {
    if (process.started < earliest_) return kNone;
    const size_t tree = claimed(process);
    return tree == kNone || process.started < started_[tree] ? kNone : tree;
  }

 private:
  template <typename Map>
  static size_t find(const Map& map, const typename Map::key_type& key) {
    const auto found = map.find(key);
    return found == map.end() ? kNone : found->second;
  }

  size_t claimed(const Process& process) const {
    size_t tree = find(by_session_, process.session);
    if (tree == kNone && !by_mark_.empty()) tree = find(by_mark_, process.mark());
    // Children of our own besides the roots are never taken for descendants by a pipe: one that was forked
    // (by other code of this process) while a root was being started may hold a copy.
    if (tree != kNone || by_output_.empty() || process.parent == ::getpid()) return tree;
    for (const std::string& pipe : process.writable_pipes()) {
      if (tree = find(by_output_, pipe); tree != kNone) return tree;
    }
    return kNone;
  }

  std::unordered_map<pid_t, size_t> by_session_;
  std::unordered_map<std::string_view, size_t> by_mark_;
  std::unordered_map<std::string_view, size_t> by_output_;
  std::vector<unsigned long long> started_;  // of the root; 0: it has ended
  unsigned long long earliest_ = 0;
};

}  // namespace

std::vector<TreeKiller::Member> TreeKiller::members(const std::vector<TreeRoot>& roots,
                                                    Clock::time_point since_when) {
  const std::lock_guard lock(mutex_);
  if (looked_at_ < since_when) {
    looked_at_ = Clock::now();
    processes_ = list_processes();
  }
  const Descent descent(roots, processes_);
  std::unordered_map<pid_t, size_t> inside = {{::getpid(), kNone}};
  for (size_t tree = 0; tree < roots.size(); ++tree) inside[roots[tree].pid] = tree;
  std::vector<Member> found;
  const auto add = [&](const Process& process, size_t tree) {
    if (tree == kNone || !inside.emplace(process.pid, tree).second) return false;
    found.push_back({tree, process});
    return true;
  };
  for (const Process& process : processes_) {
    if (inside.count(process.pid) == 0) add(process, descent.tree_of(process));
  }
  for (bool grown = true; grown;) {  // their children, and those of these
    grown = false;
    for (const Process& process : processes_) {
      const auto parent = inside.find(process.parent);
      if (parent != inside.end() && add(process, parent->second)) grown = true;
    }
  }
  return found;
}

void TreeKiller::signal(const std::vector<TreeRoot>& roots, int signal) {
  // Before the signal: the dead have no children to be found by.
  std::vector<Member> known = members(roots, Clock::now() - kFresh);
  for (const TreeRoot& root : roots) {
    ::kill(-root.pid, signal);                          // reaches what the group forks at this moment, too
    if (signal == SIGTERM) ::kill(-root.pid, SIGCONT);  // a stopped process ends only when it runs
  }
  std::unordered_set<pid_t> signalled;
  for (int round = 0; round < kRounds; ++round) {
    bool any = false;
    for (const auto& [tree, process] : known) {
      if (process.group == roots[tree].pid || !signalled.insert(process.pid).second) continue;
      any = process.signal(signal) || any;
    }
    if (!any) return;
    known = members(roots, Clock::now());
  }
}

std::vector<bool> TreeKiller::have_descendants(const std::vector<TreeRoot>& roots) {
  std::vector<bool> have(roots.size(), false);
  for (const Member& member : members(roots, Clock::now())) have[member.tree] = true;
  return have;
}

void TreeQueue::signal(const TreeRoot& root, int number) {
  signals_[number].push_back(root);
}

void TreeQueue::ask(const TreeRoot& root, Watcher& watcher) {
  asked_.push_back(root);
  watchers_.push_back(&watcher);
}

void TreeQueue::forget(const Watcher& watcher) {
  for (auto* watchers : {&watchers_, &finished_}) {
    std::replace_if(
        watchers->begin(), watchers->end(), [&](const Watcher* known) { return known == &watcher; }, nullptr);
  }
}

void TreeQueue::flush() {
  for (const auto& [number, roots] : std::exchange(signals_, {})) killer_.signal(roots, number);
  std::vector<Watcher*> ended = std::exchange(finished_, {});
  if (!asked_.empty()) {
    const auto watchers = std::exchange(watchers_, {});
    const auto have = killer_.have_descendants(std::exchange(asked_, {}));
    for (size_t i = 0; i < watchers.size(); ++i) {
      if (!have[i]) ended.push_back(watchers[i]);
    }
  }
  for (Watcher* watcher : ended) {
    if (watcher != nullptr) watcher->tree_ended();
  }
}

void TreeQueue::clear() {
  signals_.clear();
  asked_.clear();
  watchers_.clear();
  finished_.clear();
}

}  // namespace headrace::collect
