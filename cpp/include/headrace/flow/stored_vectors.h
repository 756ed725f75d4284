#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "headrace/embed/embedding_cache.h"
#include "headrace/store/run_store.h"

namespace headrace {

/// The embedding cache in a run store: rows of one model, each sealed by a checksum. A damaged row counts as
/// missing, so that its text is embedded again; RunStore::verify names it. New rows are gathered, and written
/// durably by the put() that comes a quarter of a second after the first, or by flush(). Thread-safe. Throws
/// StorageError.
class StoredVectors final : public embed::EmbeddingCache {
 public:
  StoredVectors(std::shared_ptr<RunStore> store, std::string model_id);

  embed::CachedRows get(std::span<const std::string> keys) override;
  void put(std::span<const std::string> keys, const embed::MatrixView& rows) override;
  void flush() override;

 private:
  using Clock = std::chrono::steady_clock;
  void write(std::unique_lock<std::mutex>& lock);

  const std::shared_ptr<RunStore> store_;
  const std::string model_id_;
  std::mutex reading_;  ///< guards reader_
  std::unique_ptr<Reader> reader_;
  std::mutex mutex_;  ///< guards what follows
  std::vector<VectorRow> fresh_;
  std::vector<std::string> used_;  ///< digests of rows that were last used long ago
  Clock::time_point oldest_{};     ///< when the first of fresh_ came
};

}  // namespace headrace
