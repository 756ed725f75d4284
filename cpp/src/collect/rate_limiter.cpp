#include "headrace/collect/rate_limiter.h"

#include <algorithm>

namespace headrace::collect {

RateLimiter::RateLimiter(double rate, int64_t burst) : burst_(burst) {
  if (rate > 0)
    interval_ = std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(1 / rate));
}

RateLimiter::Clock::time_point RateLimiter::reserve(const std::string& key, Clock::time_point now) {
  Bucket& bucket = buckets_[key];
  const auto earliest = std::max(now, bucket.paused_until);
  const auto token = std::max(earliest, bucket.next_full - (burst_ - 1) * interval_);
  bucket.next_full = std::max(bucket.next_full, earliest) + interval_;
  return token;
}

void RateLimiter::pause(const std::string& key, Clock::time_point until) {
  Bucket& bucket = buckets_[key];
  bucket.paused_until = std::max(bucket.paused_until, until);
}

RateLimiter::Clock::time_point RateLimiter::open_at(const std::string& key, Clock::time_point now) const {
  const auto found = buckets_.find(key);
  return found == buckets_.end() ? now : std::max(now, found->second.paused_until);
}

}  // namespace headrace::collect
