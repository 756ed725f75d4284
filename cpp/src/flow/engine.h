#pragma once

#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <thread>
#include <unordered_map>

#include "headrace/base/histogram.h"
#include "headrace/flow/runner.h"
#include "item_index.h"

namespace headrace {

using SlicePtr = std::shared_ptr<Slice>;

/// A parent whose children a group stage waits for.
struct Family {
  std::shared_ptr<Item> parent;
  std::int64_t pending = 0;  ///< units on their way that may still bring parts
  bool failed = false;
  std::vector<Part> parts;
};

/// A group stage, seen from the stages that its children pass on their way.
struct Gathering {
  int group = 0;           ///< index of the group stage
  std::int64_t space = 0;  ///< of the parents
  int entry = 0;           ///< first stage that takes the parents' items
  int last = 0;            ///< the stage whose results are the parts
  std::unordered_map<ItemId, Family> families;
};

/// All that changes about one stage during a run. Guarded by Engine::mutex_.
struct StageState {
  std::shared_ptr<Stage> stage;
  StageTable table;
  StageMode mode = StageMode::kRun;
  int over = -1;
  std::vector<int> consumers;           ///< stages that take its items
  std::vector<int> waits;               ///< stages that must have ended before it starts
  std::vector<int> ancestors;           ///< all stages before it
  std::vector<std::size_t> gatherings;  ///< those whose children pass here
  std::uint64_t code = 0;               ///< hash of the stage's identity
  std::uint64_t environment = 0;        ///< hash of the results of the stages it waits for
  int limit = 1;

  bool started = false;
  bool finished = false;
  bool pulling = false;   ///< a worker is taking items out of its stream
  bool complete = false;  ///< source: it listed everything, without an error
  std::unique_ptr<SourceStream> stream;
  std::unique_ptr<ItemIndex> index;  ///< keys of the items it makes (source, step)
  std::atomic<ItemId> next_item{1};  ///< flat_map: next id of a child
  std::deque<Unit> ready;
  std::deque<SlicePtr> armed;  ///< effects whose intents are durable
  std::int64_t in_work = 0;    ///< units in slices that a worker or the journal has
  int running = 0;             ///< slices that a worker has
  std::int64_t delayed = 0;    ///< units that wait for their next attempt
  double unit_ns = 0;          ///< moving average; 0: not known yet

  RunStatus status = RunStatus::kPending;
  std::int64_t total = 0, executed = 0, skipped = 0, failed = 0, retries = 0;
  double seconds = 0;
  std::int64_t first_ms = 0, last_ms = 0;
  Histogram latency;
  std::uint64_t digest = 0;  ///< of all its results, in any order
};

/// The state and the threads of one run. Workers take slices under mutex_ and run them outside of it; the
/// journal's thread only queues what became durable; the monitor's thread watches time, memory and the end.
class Runner::Engine : public std::enable_shared_from_this<Runner::Engine> {
 public:
  Engine(const Pipeline& pipeline, std::shared_ptr<RunStore> store, RunOptions options);
  ~Engine();

  void start();
  bool wait(double seconds);
  void cancel(const std::string& reason);
  void abandon();
  void join();
  Progress progress() const;
  void warn(const std::string& stage, const std::string& key, const std::string& text);

  RunInfo info;
  bool resumed = false;

  mutable std::mutex mutex_;
  RunStatus status_ = RunStatus::kPending;
  std::string message_;
  std::vector<Failure> failures_;
  std::exception_ptr error_;

 private:
  struct Worker {
    std::thread thread;
    SlicePtr slice;         ///< in work
    bool serial = false;    ///< counted in serial_busy_
    bool pulling = false;   ///< taking items out of a stream
    bool replaced = false;  ///< stuck: another worker has its place
    bool done = false;
  };
  struct Delayed {
    int stage;
    Unit unit;
  };

  // setup.cpp
  void plan_stages();
  void plan_spaces(RunSpec& spec);
  void plan_gatherings();
  void adopt(const Claim& claim);
  void check_drift(const Claim& claim);
  std::string items_of(int stage) const;
  int stage_of(const std::string& name) const;

  // scheduler.cpp
  void work(const std::shared_ptr<Worker>& self);
  bool take_task(std::unique_lock<std::mutex>& lock, const std::shared_ptr<Worker>& self);
  SlicePtr take_slice();
  bool eligible(const StageState& state) const;
  SlicePtr cut(int stage);
  std::size_t slice_size(const StageState& state) const;
  int pullable() const;
  void pull(std::unique_lock<std::mutex>& lock, int stage, const Worker& self);
  void ingest(int stage, std::vector<Emitted>& emitted);
  void spawn_if_useful();
  void spawn();
  bool stopped() const { return info.cancel.cancelled(); }

  // execute.cpp
  void execute(std::unique_lock<std::mutex>& lock, const SlicePtr& slice, Reader& reader);
  void look_up(Slice& slice, Reader& reader, std::vector<std::pair<Unit, UnitResult>>& found);
  bool look_up_unit(const StageState& state, Unit& unit, Reader& reader, UnitResult& result);
  bool look_up_children(const StageState& state, Unit& unit, Reader& reader, UnitResult& result);
  void restore(int stage, const std::vector<std::pair<Unit, UnitResult>>& found);
  void load_origins(Slice& slice, Reader& reader);
  void arm(const SlicePtr& slice);
  void take_back(Batch& batch, const StageState& state, const std::vector<Unit>& units, std::size_t from);
  void record(const SlicePtr& slice, Reader& reader);
  void record_unit(Batch& batch, StageState& state, Unit& unit, UnitResult& result, Reader& reader);
  void record_children(Batch& batch, StageState& state, Unit& unit, UnitResult& result, Reader& reader);
  void record_item(Batch& batch, Item& item);
  void record_fault(Batch& batch, int stage, const Unit& unit, const Fault& fault);
  std::uint64_t identity(const StageState& state, const Unit& unit) const {
    return mix(mix(state.code, state.environment), unit.fingerprint);
  }

  // dispatch.cpp
  void dispatch(int stage, Unit& unit, UnitResult& result, bool skipped);
  void dispatch_slice(const SlicePtr& slice);
  void deliver(int stage, const std::shared_ptr<Item>& item, const Value& value, std::uint64_t fingerprint,
               std::int64_t origin);
  void gather(int stage, const Unit& unit, const std::vector<Part>& parts, bool failed);
  void open_family(int consumer, const std::shared_ptr<Item>& item);
  void close_family(Gathering& gathering, ItemId id);
  void fail_item(int stage, const Unit& unit, const Fault& fault);
  void fail_unit(int stage, const Unit& unit, const Fault& fault);
  void settle();
  bool drained(const StageState& state) const;
  bool start_stage(int stage);
  void finish_stage(int stage, RunStatus status);
  bool triggered(const StageState& state) const;
  void retire(int stage);
  void retire_children(Batch& batch, std::int64_t space, ItemId parent, Reader& reader);

  // monitor.cpp
  void monitor();
  void tick(std::unique_lock<std::mutex>& lock);
  void check_timeouts();
  void give_up(const Slice& late);
  void check_limits();
  void release_delayed();
  void sample();
  void finish_run(std::unique_lock<std::mutex>& lock);

  // log.cpp
  void say(int level, const std::string& text) const;
  void log_start() const;
  void log_retry(int stage, const Unit& unit, const Fault& fault, double delay) const;
  void log_fault(int stage, const Unit& unit, const Fault& fault) const;
  void log_stage(int stage) const;
  void log_end(RunStatus status) const;

  StageRow stage_row(std::size_t index) const;
  void stop(std::exception_ptr error);

  Pipeline pipeline_;
  std::shared_ptr<RunStore> store_;
  RunOptions options_;
  std::vector<std::unique_ptr<StageState>> states_;
  std::vector<Gathering> gatherings_;
  std::int64_t undurable_ = 0;                    ///< units executed whose records are not on disk yet
  std::int64_t queued_ = 0;                       ///< units in the ready queues
  std::deque<SlicePtr> durable_;                  ///< slices whose records are on disk, to be passed on
  std::multimap<std::int64_t, Delayed> delayed_;  ///< by the time (steady ns) they are due
  std::vector<std::shared_ptr<Worker>> workers_;
  int idle_ = 0;
  int busy_ = 0;
  int serial_busy_ = 0;  ///< short Python slices in work: more than one gains nothing
  std::size_t most_workers_ = 1;
  std::int64_t warnings_ = 0;
  std::int64_t started_ns_ = 0;
  std::int64_t ended_ns_ = 0;
  bool ended_ = false;
  bool closing_ = false;
  bool hard_ = false;
  std::condition_variable work_;
  std::condition_variable monitor_wakes_;
  mutable std::condition_variable over_;
  std::thread monitor_;
  std::mutex joining_;
};

std::int64_t steady_ns() noexcept;

/// Units in memory between stages, and executed ones that are not durable yet: the bounds of memory and of
/// what a kill can make run twice.
inline constexpr std::int64_t kWindow = 2048;
inline constexpr std::int64_t kUndurable = 1536;
inline constexpr std::size_t kSlice = 64;

}  // namespace headrace
