#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "headrace/embed/vectors.h"

namespace headrace::embed {

/// Rows found in a cache: one span a key, empty where there is none. They live as long as `owner`.
struct CachedRows {
  std::vector<std::span<const float>> rows;
  std::shared_ptr<const void> owner;
};

/// Where rows of earlier texts are kept, under cache_key()s. Called from many threads at once. Whatever it
/// throws stops the batcher: a broken cache is nobody's dead letter.
class EmbeddingCache {
 public:
  virtual ~EmbeddingCache() = default;
  virtual CachedRows get(std::span<const std::string> keys) = 0;
  virtual void put(std::span<const std::string> keys, const MatrixView& rows) = 0;
  /// A list of texts is done, or given up: what put() has held back is kept now.
  virtual void flush() {}
};

/// SHA-256 of the model id, a zero byte and the text, as 64 hexadecimal digits.
std::string cache_key(std::string_view model_id, std::string_view text);

}  // namespace headrace::embed
