#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_set>
#include <vector>

#include "headrace/base/log.h"
#include "headrace/flow/pipeline.h"
#include "headrace/store/run_store.h"

namespace headrace {

enum class RunStatus { kPending, kRunning, kSucceeded, kFailed, kCancelled, kPartial, kSkipped };
const char* status_name(RunStatus status) noexcept;

/// Does a stage run, answer from its records only, or stay out.
enum class StageMode { kRun, kReplay, kOff };

struct RunOptions {
  std::string params = "{}";
  std::string config = "{}";
  std::int64_t seed = 0;
  std::string resume = "last";  ///< "last", "new", or the id of a run
  bool skip_existing = true;    ///< false: selected stages execute every unit again
  bool drift_refuse = false;  ///< ConfigurationError where an unfinished run had other code or configuration
  int threads = 0;            ///< workers for stages without a limit of their own; 0: one a core
  double max_seconds = 0;     ///< stop cleanly after; 0: no limit
  std::int64_t max_memory = 0;                ///< stop cleanly above this resident size, bytes; 0: no limit
  std::vector<StageMode> modes;               ///< as pipeline.ordered(); empty: all run
  std::unordered_set<std::string> only_keys;  ///< JSON keys of source items to take; empty: all
  Log log;  ///< told of starts, retries, failures and ends; called with locks held, so it must not wait for a
            ///< run
};

struct StageReport {
  std::string name;
  Form form = Form::kStep;
  RunStatus status = RunStatus::kPending;
  std::int64_t total = 0, executed = 0, skipped = 0, failed = 0, retries = 0;
  double seconds = 0;  ///< busy, summed over workers
  double mean_micros = 0;
  std::int64_t p50_micros = 0, p95_micros = 0, p99_micros = 0;
  bool total_known = false;  ///< all items that will come are counted
};

struct Failure {
  std::string stage;
  std::string key;  ///< JSON; empty for a step
  Fault fault;
  int attempts = 1;
};

struct Progress {
  RunStatus status = RunStatus::kPending;
  double elapsed = 0;  ///< seconds
  std::int64_t warnings = 0;
  std::vector<StageReport> stages;
};

/// Executes one run of a pipeline: a pool of workers over bounded queues, later stages first; each result is
/// durable before anything downstream sees it. One object a run. Thread-safe; workers are joined by the
/// destructor, except those stuck in a unit that ran out of time (they are abandoned, and so reported).
class Runner {
 public:
  Runner(const Pipeline& pipeline, std::shared_ptr<RunStore> store, RunOptions options);
  Runner(const Runner&) = delete;
  Runner& operator=(const Runner&) = delete;
  ~Runner();

  /// Claims the run and starts the workers. RunActiveError, StorageError, WorkflowValidationError, ...
  void start();
  /// True when the run has ended. At most `seconds`; a negative number: until it has.
  bool wait(double seconds = -1);
  /// Waits for the end, and until its threads are gone (but those that are stuck in an abandoned unit).
  void join();
  /// Stops cleanly: units in work finish and are recorded. `reason` is shown.
  void cancel(const std::string& reason);
  /// Gives up units in work too; their late answers are discarded. Call cancel first.
  void abandon();

  const RunInfo& info() const noexcept;
  bool resumed() const noexcept;
  Progress progress() const;
  RunStatus status() const;
  std::string message() const;
  std::vector<Failure> failures() const;
  /// What stopped the run, where that wasn't a unit's own fault; null: nothing did.
  std::exception_ptr error() const;
  /// Records a line that the stage wants a reader to see.
  void warn(const std::string& stage, const std::string& key, const std::string& text);

 private:
  class Engine;
  std::shared_ptr<Engine> engine_;
};

}  // namespace headrace
