#pragma once

#include <atomic>
#include <cstdint>

namespace headrace::collect {

/// Hands out the targets of a collection, each to one of the dispatchers that work on it. Thread-safe.
class Targets {
 public:
  explicit Targets(int64_t size) : size_(size) {}
  bool left() const { return next_.load(std::memory_order_relaxed) < size_; }
  /// The next one; -1: none is left.
  int64_t take() {
    const int64_t index = next_.fetch_add(1, std::memory_order_relaxed);
    return index < size_ ? index : -1;
  }

  /// One of the dispatchers has failed: the others end what is under way.
  void abandon() { abandoned_.store(true, std::memory_order_relaxed); }
  bool abandoned() const { return abandoned_.load(std::memory_order_relaxed); }

  std::atomic<int64_t> running{0};  ///< attempts under way, of all dispatchers

 private:
  const int64_t size_;
  std::atomic<int64_t> next_{0};
  std::atomic<bool> abandoned_{false};
};

}  // namespace headrace::collect
