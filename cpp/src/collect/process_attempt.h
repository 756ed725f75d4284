#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "headrace/collect/process.h"
#include "process_tree.h"
#include "reactor.h"
#include "spawn.h"

namespace headrace::collect {

class ProcessPool;

/// What the attempts of one dispatcher share, kept from one call to the next: making it takes a good part of
/// the time of one short process.
class ProcessShared {
 public:
  explicit ProcessShared(ProcessPool& pool);

  const ProcessOptions& options() const;
  Spawner& spawner() { return spawner_; }
  TreeKiller& killer();
  TreeQueue& trees() { return trees_; }
  /// The executable that a command's name stands for; empty: there is none.
  const std::string& program(const std::string& name);
  /// The same, where what was found before is gone: a tool may be moved during a long run.
  const std::string& program_anew(const std::string& name);
  /// A value for kMarkVariable that no other process has; empty where marks are not wanted.
  std::string next_mark();
  /// The environment in the form that exec takes, with `entry` (which must outlive it) unless that is empty.
  std::vector<char*> environment(std::string& entry);
  /// What the child reads: /dev/null, or the input as a file in memory (kept in `owner`).
  int input(UniqueFd& owner);

 private:
  ProcessPool& pool_;
  Spawner spawner_;
  TreeQueue trees_;
  std::unordered_map<std::string, std::string> programs_;
};

/// What all calls of one collector share. Thread-safe.
class ProcessPool {
 public:
  explicit ProcessPool(ProcessOptions options, bool marked);

  const ProcessOptions& options() const { return options_; }
  TreeKiller& killer() { return killer_; }
  std::unique_ptr<ProcessShared> take();
  void give_back(std::unique_ptr<ProcessShared> shared);

 private:
  friend class ProcessShared;

  const ProcessOptions options_;  // `env` is always set
  const bool marked_;             // children get a mark in their environment
  TreeKiller killer_;
  UniqueFd null_;
  std::vector<std::string> entries_;  // of the environment
  std::string mark_prefix_;
  std::atomic<int64_t> marks_{0};
  std::mutex mutex_;
  std::vector<std::unique_ptr<ProcessShared>> idle_;  // under the mutex
};

/// One run of one command.
class ProcessAttempt : public Attempt, private TreeQueue::Watcher {
 public:
  ProcessAttempt(Reactor& reactor, Clock::time_point deadline, ProcessShared& shared, const Command& command)
      : Attempt(reactor, deadline), shared_(shared), command_(command) {}
  ~ProcessAttempt() override;

  void on_ready(int fd, uint32_t events) override;

 protected:
  void start() override;
  void stop(StopReason reason) override;
  void on_alarm() override;

 private:
  UniqueFd open_output(UniqueFd& reading);
  int launch(const std::string& program, int output, int errors);
  void report_unstarted(int error);
  void read_output(UniqueFd& from, std::string& into);
  bool keep(std::string& into, const char* data, size_t size);
  bool outputs_open() const { return out_ || err_; }
  void close_output(UniqueFd& from);
  void watch_exit();
  void output_ended();
  void exited();
  void tree_ended() override;
  void terminate(double grace_s);
  void conclude();
  bool reap();
  void report_exit(int code, int status);
  void abandon();

  ProcessShared& shared_;
  const Command& command_;
  UniqueFd out_;
  UniqueFd err_;
  Spawned child_;
  TreeRoot tree_;
  bool exit_watched_ = false;
  bool exited_ = false;
  bool reaped_ = false;
  bool terminated_ = false;
  bool killed_ = false;
};

}  // namespace headrace::collect
