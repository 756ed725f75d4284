#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <mutex>
#include <vector>

namespace headrace::embed {

/// The token budget of a batch: given, or found by timing real batches while they do useful work. What is
/// best depends on the length of the texts, so a budget is timed on long, middling and short ones, each three
/// times; 512 tokens first, with half and twice that beside, and it moves on as long as that is faster by 3
/// %. Thread-safe.
class BatchBudget {
 public:
  static constexpr int64_t kFirst = 512;  // used while too little is known
  static constexpr int64_t kThirds = 3;

  /// A batch to time: of texts from one third of all tokens, 0 the one with the longest texts.
  struct Trial {
    int64_t budget = 0;
    int64_t third = 0;
  };

  /// 0 or less: find it.
  explicit BatchBudget(int64_t max_tokens);

  bool known() const;
  /// The budget, or while it is not known the best so far.
  int64_t best() const;
  /// What a timed batch should be next.
  Trial next() const;
  /// A batch of that trial took `seconds` for `tokens` real tokens.
  void record(const Trial& trial, int64_t tokens, double seconds);

 private:
  using Costs = std::array<std::vector<double>, kThirds>;  // seconds a token

  void decide();
  bool gains(int64_t budget) const;

  mutable std::mutex mutex_;
  int64_t best_ = kFirst;
  bool known_ = false;
  std::map<int64_t, Costs> trials_;
};

}  // namespace headrace::embed
