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

  /// Who starts an attempt begins its turn before, and ends it when all that it held is given back.
  struct Turn {
    uint64_t number = 0;
    bool first = false;  ///< no other attempt had its turn when it began
  };
  Turn begin_turn() {
    const uint64_t before = turns_.fetch_add(kTurn + 1);
    return {before / kTurn + 1, before % kTurn == 0};
  }
  /// Whether no other attempt, of any dispatcher, had its turn at the same time.
  bool end_turn(const Turn& turn) {
    const uint64_t before = turns_.fetch_sub(1);
    return turn.first && before / kTurn == turn.number;
  }

 private:
  static constexpr uint64_t kTurn = uint64_t{1} << 32;
  std::atomic<uint64_t> turns_{0};  // kTurn for each that ever began, and 1 for each that has not ended
  const int64_t size_;
  std::atomic<int64_t> next_{0};
  std::atomic<bool> abandoned_{false};
};

}  // namespace headrace::collect
