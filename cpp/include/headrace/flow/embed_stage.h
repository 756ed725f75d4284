#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "headrace/embed/batcher.h"
#include "headrace/flow/stage.h"

namespace headrace {

struct EmbedSettings {
  embed::BatchSettings batch;
  std::int64_t max_tokens = 0;  ///< of a batch; 0: found by timing the first ones
  std::int64_t workers = 1;     ///< batches in flight
  std::string field = "text";   ///< of values that are mappings or objects: where their text is
  bool store = true;            ///< keeps rows in the run's store
  std::shared_ptr<embed::EmbeddingCache> cache = nullptr;  ///< instead of the run's store
};

/// Embeds the text of every item: a batch stage whose batches reach across documents. Its result is a float32
/// row. Each batch's rows are in the cache as soon as they are computed, so that a run that is killed inside
/// a big document goes on where it was. A text that fails alone is its item's failure (EmbeddingError), which
/// may be retried; what the model calls fatal is the failure of all that wait with it. StorageError stops the
/// run.
class EmbedStage final : public Stage {
 public:
  /// Throws ConfigurationError for sizes below 1, or a cache without a model id.
  EmbedStage(std::string name, std::string identity, std::shared_ptr<embed::BatchModel> model,
             EmbedSettings settings);
  ~EmbedStage() override;

  std::string identity() const override { return identity_; }
  void run(const RunInfo& run, Slice& slice) override;

 private:
  class CancellableModel;
  void prepare(const RunInfo& run);
  void embed(Slice& slice, const std::vector<std::string>& texts, const std::vector<std::size_t>& places);

  const std::string identity_;
  const EmbedSettings settings_;
  std::shared_ptr<embed::BatchModel> inner_;
  std::once_flag prepared_;
  std::unique_ptr<CancellableModel> model_;
  std::shared_ptr<embed::EmbeddingCache> cache_;
  std::unique_ptr<embed::Batcher> batcher_;
};

}  // namespace headrace
