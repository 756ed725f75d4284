#pragma once

#include <cstdint>

namespace headrace {

/// What a stage does with the items before it.
enum class Form { kStep, kSource, kMap, kFlatMap, kBatch, kGroup };
const char* form_name(Form form) noexcept;

/// When a step runs, given how the stages before it ended. Dead letters alone don't count as failure for
/// kOnSuccess; kOnFailure runs when a stage failed or left dead letters.
enum class Trigger { kOnSuccess, kOnFailure, kAlways };

/// A failed unit becomes a dead letter and the rest goes on, or stops the run.
enum class OnError { kCollect, kStop };

/// How often a failed unit is tried, and how long it waits before. Seconds.
struct RetryPolicy {
  int attempts = 1;
  double delay = 0;
  double multiplier = 2;
  double jitter = 0;  ///< up to this share of the delay is added at random
  double max_delay = 300;
  bool timeouts = true;  ///< a unit that ran out of time is tried again too

  /// Seconds before attempt number `attempt` (2, 3, ...); `draw` in [0, 1).
  double delay_before(int attempt, double draw) const noexcept;
};

struct StagePolicy {
  RetryPolicy retry;
  double timeout = 0;  ///< seconds a unit may take; 0: no limit
  Trigger trigger = Trigger::kOnSuccess;
  OnError on_error = OnError::kCollect;
  int workers = 0;          ///< most units at once; 0: as many as there are cores
  int size = 64;            ///< batch: most items in a group
  bool effect = false;      ///< changes the outside world: intent before, outcome after
  bool reconciles = false;  ///< effect: can find out what happened, so that an intent stays after any failure
  bool removes = false;     ///< has something to do for items that the source no longer has
  bool guarded = false;     ///< wants to see the record that its result would replace
  bool alone = false;       ///< its units wait for others: each has a worker to itself
  bool serial = false;      ///< its short units gain nothing from a second thread (a Python callable)
};

}  // namespace headrace
