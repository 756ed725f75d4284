#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <vector>

namespace headrace::embed {

/// The token budget of a batch: given, or found by timing real batches while they do useful work. Budgets of
/// 256, 512 and 1,024 tokens are tried three times each, then twice or half the best as long as that is
/// faster by 3 %. Thread-safe.
class BatchBudget {
 public:
  static constexpr int64_t kFirst = 512;  // used while too little is known

  /// 0 or less: find it.
  explicit BatchBudget(int64_t max_tokens);

  bool known() const;
  /// The budget, or while it is not known the best so far.
  int64_t best() const;
  /// The budget that a timed batch should have next.
  int64_t candidate() const;
  /// A batch that was filled for `budget` took `seconds` for `tokens` real tokens.
  void record(int64_t budget, int64_t tokens, double seconds);

 private:
  void decide();

  mutable std::mutex mutex_;
  int64_t best_ = kFirst;
  bool known_ = false;
  std::map<int64_t, std::vector<double>> trials_;  // seconds a token
};

}  // namespace headrace::embed
