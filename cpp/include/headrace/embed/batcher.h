#pragma once

#include <cstdint>
#include <mutex>
#include <span>
#include <string_view>
#include <vector>

#include "headrace/embed/batch_stream.h"
#include "headrace/embed/matrix.h"

namespace headrace::embed {

/// The rows of a list of texts, and what is missing among them.
struct Embedded {
  struct Failed {
    int64_t index = 0;  // of the text
    BatchFailure failure;
  };
  Matrix rows;                 // in the order given; the rows of failed texts are NaN
  std::vector<Failed> failed;  // by index
};

/// Embeds whole lists of texts through a BatchStream: every different text once, rows in one matrix in the
/// order given. The list may be of any length: beyond the rows, memory is bounded by the window, but for an
/// index of the different texts. Thread-safe. `model` and `cache` (may be null) are borrowed and must outlive
/// the batcher.
class Batcher {
 public:
  /// `max_tokens` <= 0: found by timing the first batches. `workers`: batches in flight, each on a thread of
  /// its own. Throws ConfigurationError for sizes below 1, or a cache without a model id.
  Batcher(BatchModel& model, BatchSettings settings, int64_t max_tokens = 0, int64_t workers = 1,
          EmbeddingCache* cache = nullptr);

  /// Throws what the model calls fatal, and what the cache throws; failed texts are in the result.
  Embedded embed(std::span<const std::string_view> texts);

  const BatchBudget& budget() const noexcept { return budget_; }
  /// Over all calls that have ended.
  BatchStats stats() const;

 private:
  BatchModel& model_;
  const BatchSettings settings_;
  BatchBudget budget_;
  const int64_t workers_;
  EmbeddingCache* cache_;
  mutable std::mutex mutex_;
  BatchStats stats_;
};

}  // namespace headrace::embed
