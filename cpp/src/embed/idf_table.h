#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text_features.h"

namespace headrace::embed {

/// In how many documents each feature occurs, in 2^18 hashed counters: bounded memory for any corpus.
/// Empty (no documents): every weight is 1.
class IdfTable {
 public:
  static constexpr int64_t kBuckets = int64_t{1} << 18;

  int64_t documents() const noexcept { return documents_; }
  /// ln((N + 1) / (n + 1)) + 1 for a feature that n of N documents have; 1 without documents.
  float weight(uint64_t hash) const noexcept {
    return weights_.empty() ? 1.0F : weights_[hash % static_cast<uint64_t>(kBuckets)];
  }

  void add_document(const TextFeatures& features);
  void merge(const IdfTable& other);
  /// Computes the weights from the counts: call it when all documents are in.
  void finish();

  /// The counts as bytes and back. decode() throws CheckpointCorruptionError for anything else.
  std::string encode() const;
  static IdfTable decode(std::string_view bytes, int64_t documents);

 private:
  void count(const std::vector<Feature>& features);

  int64_t documents_ = 0;
  std::vector<uint32_t> counts_;
  std::vector<float> weights_;
};

}  // namespace headrace::embed
