#include "headrace/collect/policy.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "headrace/base/error.h"

namespace headrace::collect {

namespace {

constexpr double kLongestTimeout = 10.0 * 365 * 86400;  // keeps clock arithmetic far from overflow

void require(bool condition, const std::string& message) {
  if (!condition) throw ConfigurationError(message);
}

void check_retry(const RetryPolicy& retry) {
  require(retry.attempts >= 1, "retry: attempts must be at least 1");
  require(retry.delay >= 0 && std::isfinite(retry.delay),
          "retry: delay must be a number of seconds, at least 0");
  require(retry.multiplier >= 1 && std::isfinite(retry.multiplier), "retry: multiplier must be at least 1");
  require(retry.jitter >= 0 && retry.jitter <= 1, "retry: jitter must be between 0 and 1");
  require(retry.max_delay >= 0 && retry.max_delay <= kLongestTimeout,
          "retry: max_delay must be a number of seconds, at least 0");
}

}  // namespace

double RetryPolicy::delay_before(int attempt, double random) const {
  if (attempt < 2 || delay == 0) return 0;  // 0 * infinity is not a pause
  const double pause = std::min(delay * std::pow(multiplier, attempt - 2), max_delay);
  return std::clamp(pause * (1 + jitter * (2 * random - 1)), 0.0, max_delay);
}

void Limits::validate() const {
  require(workers >= 1, "workers must be at least 1");
  require(timeout > 0 && timeout <= kLongestTimeout, "timeout must be a number of seconds above 0");
  require(max_output >= 1, "max_output must be a number of bytes, at least 1");
  check_retry(retry);
}

}  // namespace headrace::collect
