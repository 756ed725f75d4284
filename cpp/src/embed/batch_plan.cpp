#include "headrace/embed/batch_plan.h"

#include <algorithm>
#include <limits>

namespace headrace::embed {

// best[j]: the least cost of the first j texts; start[j]: where their last batch begins.
std::vector<BatchRange> plan_batches(std::span<const int64_t> counts, const BatchLimits& limits) {
  const auto size = static_cast<int64_t>(counts.size());
  const int64_t batch_cost = std::max<int64_t>(1, limits.max_tokens / 32);
  std::vector<int64_t> best(counts.size() + 1, std::numeric_limits<int64_t>::max());
  std::vector<int64_t> start(counts.size() + 1, 0);
  best[0] = 0;
  for (int64_t i = 0; i < size; ++i) {
    const int64_t longest = std::max<int64_t>(1, counts[static_cast<size_t>(i)]);
    const int64_t texts =
        std::clamp<int64_t>(limits.max_tokens / longest, 1, std::max<int64_t>(1, limits.max_batch));
    for (int64_t j = i + 1; j <= std::min(size, i + texts); ++j) {
      const int64_t cost = best[static_cast<size_t>(i)] + (j - i) * longest + batch_cost;
      if (cost < best[static_cast<size_t>(j)]) {
        best[static_cast<size_t>(j)] = cost;
        start[static_cast<size_t>(j)] = i;
      }
    }
  }
  std::vector<BatchRange> batches;
  for (int64_t end = size; end > 0; end = batches.back().begin)
    batches.push_back({start[static_cast<size_t>(end)], end});
  std::reverse(batches.begin(), batches.end());
  return batches;
}

}  // namespace headrace::embed
