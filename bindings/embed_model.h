#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "headrace/embed/batch_model.h"
#include "headrace/embed/embedding_cache.h"
#include "pybind.h"

/// A Python callable as a model. The batcher's threads call it without the GIL; every method takes it itself.
class PythonModel : public headrace::embed::BatchModel {
 public:
  /// `count_tokens` None: the estimate. `interrupt` is called to end what waits, or None. `dim` and
  /// `max_text_tokens` 0: unknown, none.
  PythonModel(py::object embed, py::object count_tokens, py::object interrupt, int64_t dim,
              int64_t max_text_tokens)
      : embed_(std::move(embed)),
        count_tokens_(std::move(count_tokens)),
        interrupt_(std::move(interrupt)),
        dim_(dim),
        max_text_tokens_(max_text_tokens) {}

  headrace::embed::ModelRows embed(std::span<const headrace::embed::BatchText> texts) override;
  void count_tokens(std::span<const headrace::embed::BatchText> texts, int64_t* counts) override;
  int64_t dim() const override { return dim_; }
  int64_t max_text_tokens() const override { return max_text_tokens_; }
  bool is_fatal(const std::exception_ptr& error) const override;
  void check_interrupt() override;
  void stop() noexcept override;

 private:
  py::object embed_;
  py::object count_tokens_;
  py::object interrupt_;
  int64_t dim_;
  int64_t max_text_tokens_;
};

/// A Python object with get_many(keys) and put_many(keys, rows) as a cache.
class PythonCache : public headrace::embed::EmbeddingCache {
 public:
  explicit PythonCache(py::object cache) : cache_(std::move(cache)) {}

  headrace::embed::CachedRows get(std::span<const std::string> keys) override;
  void put(std::span<const std::string> keys, const headrace::embed::MatrixView& rows) override;

 private:
  py::object cache_;
};

/// None, a run store, or a Python object, as a cache. The GIL must be held; anybody may let go of it.
std::shared_ptr<headrace::embed::EmbeddingCache> cache_of(py::object cache, const std::string& model_id);
