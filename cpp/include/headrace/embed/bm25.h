#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace headrace::embed {

/// Sparse vectors one after the other: row i has the entries starts[i] .. starts[i + 1], by rising index.
struct SparseRows {
  std::vector<int64_t> starts = {0};
  std::vector<uint32_t> indices;
  std::vector<float> values;
};

struct Bm25Settings {
  double k1 = 1.2;              // how soon repeating a word stops helping, >= 0
  double b = 0.75;              // how much long texts are marked down, 0 .. 1
  double average_length = 128;  // words of a text on average, until fit() knows better
};

/// BM25 as sparse vectors: the dot product of a query's and a document's vector is the BM25 score. An index
/// is the hash of a folded word (see WordList), so no vocabulary is needed; words of unspaced scripts are
/// pairs.
///
/// A document's vector holds the saturated word counts, a query's the idf of its words: 1 for all unless
/// fitted. Leave it unfitted where the store brings the idf (Qdrant's modifier "idf"): then no vector ever
/// has to change. fit() may not run beside other calls, which may run in many threads at once.
class Bm25 {
 public:
  /// Throws ConfigurationError for settings out of range.
  explicit Bm25(const Bm25Settings& settings = {});

  const Bm25Settings& settings() const noexcept { return settings_; }
  int64_t documents() const noexcept { return documents_; }
  double average_length() const noexcept;

  /// Collects document frequencies and the average length: begin_fit(), any number of add(), end_fit().
  void begin_fit();
  void add(std::span<const std::string_view> texts);
  void end_fit();

  SparseRows embed_documents(std::span<const std::string_view> texts) const;
  SparseRows embed_queries(std::span<const std::string_view> texts) const;

  /// Changes with everything that changes a document's vector. Frequencies change queries only.
  const std::string& model_id() const noexcept { return model_id_; }
  /// As of HashedEmbedder.
  std::string state() const;
  static Bm25 from_state(std::string_view bytes);

 private:
  using Frequencies = std::unordered_map<uint32_t, int64_t>;

  double idf(uint32_t word) const;
  void name_model();

  Bm25Settings settings_;
  int64_t documents_ = 0;
  int64_t words_ = 0;  // in all documents together
  Frequencies frequencies_;
  std::unique_ptr<Bm25> next_;  // what begin_fit() started
  std::string model_id_;
};

}  // namespace headrace::embed
