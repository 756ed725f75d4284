#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "headrace/embed/matrix.h"

namespace headrace::embed {

class IdfTable;

/// What a HashedEmbedder computes; all of it is part of its model id.
struct HashedSettings {
  int64_t dim = 384;           // columns, 8 .. 65536
  int64_t word_ngrams = 1;     // longest run of words that is one feature, 1 .. 5
  int64_t min_char_ngram = 4;  // characters inside a word (its two ends count), 1 .. max
  int64_t max_char_ngram = 6;  // 0: no character features; at most 8
  double char_share = 0.9;     // weight of the character features beside the words', 0 .. 1
};

/// A deterministic embedder without a model file: words, runs of words and characters inside words are
/// features, weighted (1 + ln tf) * idf, hashed with signs into `dim` columns, length 1. It finds texts
/// that share words or parts of words, whatever the language; it knows nothing of meaning.
/// A text without any word has a row of zeros.
///
/// Unfitted, every idf is 1, and a vector depends on its text and the settings only. fit() takes the idf from
/// a corpus; the vectors, and with them model_id(), stay the same until the next fit(). embed(),
/// count_tokens(), model_id() and state() may run in many threads at once, fit() alone.
class HashedEmbedder {
 public:
  /// Throws ConfigurationError for settings out of range.
  explicit HashedEmbedder(const HashedSettings& settings = {});
  ~HashedEmbedder();
  HashedEmbedder(HashedEmbedder&&) noexcept;
  HashedEmbedder& operator=(HashedEmbedder&&) noexcept;

  const HashedSettings& settings() const noexcept { return settings_; }
  /// Documents that the idf was taken from; 0 when unfitted.
  int64_t documents() const noexcept;

  /// Collects the corpus for the idf, piece by piece: begin_fit(), any number of add(), end_fit().
  /// Until end_fit() the embedder works as before. `threads` 0: all cores.
  void begin_fit();
  void add(std::span<const std::string_view> texts, int64_t threads = 0);
  void end_fit();

  /// One row for each text. `threads` 0: all cores; the rows don't depend on it.
  Matrix embed(std::span<const std::string_view> texts, int64_t threads = 1) const;
  /// Writes one row (dim floats) to `row`.
  void embed_one(std::string_view text, float* row) const;
  /// Words of each text, the embedder's unit of length; it has no limit.
  void count_tokens(std::span<const std::string_view> texts, int64_t* counts) const;

  /// Changes with everything that changes a vector: settings, idf, version of the algorithm, Unicode tables.
  const std::string& model_id() const noexcept { return model_id_; }

  /// Settings and idf as bytes: a line of JSON, the counts, a checksum. from_state() throws
  /// ConfigurationError for bytes that are no such state, CheckpointCorruptionError for damaged ones.
  std::string state() const;
  static HashedEmbedder from_state(std::string_view bytes);

 private:
  void name_model();

  HashedSettings settings_;
  std::unique_ptr<IdfTable> idf_;
  std::unique_ptr<IdfTable> next_idf_;
  std::string model_id_;
};

}  // namespace headrace::embed
