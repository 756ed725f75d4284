#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace headrace::embed {

/// Bounds of one batch.
struct BatchLimits {
  int64_t max_tokens = 512;  // texts times the longest of them: what a padding model computes
  int64_t max_batch = 128;   // texts
};

/// A run of texts in the order they were given in: [begin, end).
struct BatchRange {
  int64_t begin = 0;
  int64_t end = 0;
};

/// Cuts texts, sorted by token count with the longest first, into batches that keep the limits, so that
/// padding and the cost of one more batch (a 32nd of the budget) are smallest together. A text longer than
/// the budget stands alone. O(n * max_batch) time.
std::vector<BatchRange> plan_batches(std::span<const int64_t> counts, const BatchLimits& limits);

}  // namespace headrace::embed
