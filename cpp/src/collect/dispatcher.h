#pragma once

#include <memory>
#include <queue>
#include <random>
#include <string>
#include <unordered_map>
#include <vector>

#include "headrace/base/cancel.h"
#include "headrace/collect/policy.h"
#include "headrace/collect/sink.h"
#include "reactor.h"
#include "targets.h"

namespace headrace::collect {

/// The targets of one collection, as the dispatcher sees them.
class Workload {
 public:
  virtual ~Workload() = default;
  virtual int64_t size() const = 0;
  /// The target as outcomes name it.
  virtual std::string name(int64_t index) const = 0;
  /// Called once, before the first make().
  virtual void attach(Reactor& reactor) {}
  /// Called once, after the last attempt is gone.
  virtual void detach() {}
  virtual std::unique_ptr<Attempt> make(int64_t index, Reactor& reactor, Clock::time_point deadline) = 0;
  /// The earliest moment at which the target may be started (rate limits). Asked again at that moment.
  virtual Clock::time_point not_before(int64_t index, Clock::time_point now) { return now; }
  /// Called at the end of each round of events.
  virtual void end_round() {}
  /// Told about each attempt that has ended, before a retry is decided.
  virtual void ended(int64_t index, const Outcome& outcome, Clock::time_point now) {}
};

/// Works through the targets of a workload in the calling thread: at most `workers` attempts at a time, each
/// with its deadline, retries of transient failures, one outcome a target. Nothing is left behind when run()
/// returns or throws. Several dispatchers may share the targets.
class Dispatcher {
 public:
  Dispatcher(Workload& workload, Targets& targets, const Limits& limits, OutcomeSink& sink,
             CancelToken cancel);
  ~Dispatcher();
  void run();

 private:
  struct Waiting {
    Clock::time_point when;
    int64_t index;
    bool operator>(const Waiting& other) const {
      return when != other.when ? when > other.when : index > other.index;
    }
  };
  struct Progress {
    int attempts = 0;
    Clock::time_point first;
  };

  bool more_to_start() const { return targets_.left() || !waiting_.empty(); }
  // Not std::random_device: on a virtual machine asking the processor what it can do takes longer than the
  // rest.
  static std::uint_fast32_t seed() {
    return static_cast<std::uint_fast32_t>(Clock::now().time_since_epoch().count());
  }
  bool cancelled() const { return cancel_.cancelled() || targets_.abandoned(); }
  bool has_room() const { return !free_slots_.empty() && sink_.has_room(); }
  bool may_start() const;
  void start_ready();
  /// Starts the target, or puts it among the waiting ones.
  void start_or_postpone(int64_t index, Clock::time_point now);
  void start(int64_t index, Clock::time_point now);
  /// The system has nothing left for a further attempt: none is started for a moment.
  void hold();
  void wait_for_events();
  void collect_finished();
  void settle(int64_t slot);
  bool retry(int64_t index, const Outcome& outcome, const Progress& progress, Clock::time_point now);
  void cancel_all();
  void put_cancelled(int64_t index);

  Workload& workload_;
  Targets& targets_;
  const Limits limits_;
  OutcomeSink& sink_;
  CancelToken cancel_;
  Reactor reactor_;
  std::vector<std::unique_ptr<Attempt>> slots_;
  std::vector<Targets::Turn> turns_;  // by slot
  std::vector<int64_t> free_slots_;
  Clock::time_point held_until_;  // none is started before
  int crowds_ = 0;                // held so often without anything done
  std::priority_queue<Waiting, std::vector<Waiting>, std::greater<>> waiting_;
  std::unordered_map<int64_t, Progress> progress_;  // of the targets that were started and are not settled
  int64_t running_ = 0;                             // of this dispatcher
  std::minstd_rand random_{seed()};                 // for the jitter of pauses
  CancelToken::Waker waker_{cancel_, [this] { reactor_.loop.wake(); }};
};

}  // namespace headrace::collect
