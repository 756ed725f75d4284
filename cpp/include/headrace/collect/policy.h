#pragma once

#include <cstdint>

namespace headrace::collect {

/// How often and how fast a transient failure is tried again. Pauses are in seconds.
struct RetryPolicy {
  int attempts = 1;  ///< all tries, the first one included
  double delay = 0;  ///< pause before the second try
  double multiplier = 2;
  double jitter = 0;  ///< 0 to 1: the share by which a pause varies at random, both ways
  double max_delay = 300;

  /// Seconds to wait before try number `attempt` (2 or more); `random` is in [0, 1).
  double delay_before(int attempt, double random) const;
};

/// What all three collectors have in common.
struct Limits {
  int64_t workers = 16;  ///< targets worked on at the same time
  double timeout = 30;   ///< seconds for one attempt at one target, from its first byte to its last
  int64_t max_output = int64_t{64} << 20;  ///< bytes of answer (both streams together) kept of one target
  RetryPolicy retry;

  /// Throws ConfigurationError, naming the field.
  void validate() const;
};

}  // namespace headrace::collect
