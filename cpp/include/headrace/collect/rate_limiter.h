#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <unordered_map>

namespace headrace::collect {

/// A token bucket for each key (a host): `rate` tokens a second, at most `burst` of them saved up. A server
/// that asks for a pause gets it from all who share its bucket. Not thread-safe.
class RateLimiter {
 public:
  using Clock = std::chrono::steady_clock;

  /// `rate` 0: no limit but the pauses.
  RateLimiter(double rate, int64_t burst);
  /// Takes the key's next token, and answers when it may be used.
  Clock::time_point reserve(const std::string& key, Clock::time_point now);
  /// No token of this key may be used before `until`.
  void pause(const std::string& key, Clock::time_point until);
  /// When tokens of this key that were reserved for earlier may be used: `now`, or the end of a pause.
  Clock::time_point open_at(const std::string& key, Clock::time_point now) const;

 private:
  struct Bucket {
    Clock::time_point next_full{};  // when the bucket will be full again
    Clock::time_point paused_until{};
  };

  Clock::duration interval_{};  // between two tokens
  int64_t burst_;
  std::unordered_map<std::string, Bucket> buckets_;
};

}  // namespace headrace::collect
