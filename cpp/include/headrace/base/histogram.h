#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>

namespace headrace {

/// Latencies in microseconds in logarithmic buckets (4 a power of two: within 19 % of the truth). Not
/// thread-safe.
class Histogram {
 public:
  void add(std::int64_t micros, std::int64_t count = 1) noexcept {
    buckets_[bucket(micros)] += count;
    count_ += count;
    total_ += micros * count;
    longest_ = std::max(longest_, micros);
  }
  std::int64_t count() const noexcept { return count_; }
  double mean() const noexcept {
    return count_ ? static_cast<double>(total_) / static_cast<double>(count_) : 0;
  }
  /// Upper edge of the bucket that holds the quantile, e.g. 0.95; never more than the longest.
  std::int64_t quantile(double q) const noexcept {
    auto left = static_cast<std::int64_t>(q * static_cast<double>(count_));
    for (int i = 0; i < kBuckets; ++i) {
      left -= buckets_[i];
      if (left < 0) return std::min(upper(i), longest_);
    }
    return longest_;
  }

 private:
  static constexpr int kBuckets = 160;
  static int bucket(std::int64_t micros) noexcept {
    if (micros < 4) return static_cast<int>(micros < 0 ? 0 : micros);
    const int power = std::bit_width(static_cast<std::uint64_t>(micros)) - 1;
    const int index = (power - 1) * 4 + static_cast<int>((micros >> (power - 2)) & 3);
    return index < kBuckets ? index : kBuckets - 1;
  }
  static std::int64_t upper(int index) noexcept {
    if (index < 4) return index;
    const int power = index / 4 + 1;
    return (static_cast<std::int64_t>(4 + index % 4 + 1) << (power - 2)) - 1;
  }

  std::array<std::int64_t, kBuckets> buckets_{};
  std::int64_t count_ = 0;
  std::int64_t total_ = 0;
  std::int64_t longest_ = 0;
};

}  // namespace headrace
