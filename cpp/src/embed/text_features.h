#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "headrace/embed/hashed_embedder.h"
#include "headrace/embed/words.h"

namespace headrace::embed {

/// A hashed feature of a text and how often it occurs.
struct Feature {
  uint64_t hash = 0;
  int64_t count = 0;
};

/// Counts hashes in the order they first come; clearing costs what was added, not the table's size.
class FeatureCounter {
 public:
  void clear();
  void add(uint64_t hash);
  const std::vector<Feature>& features() const noexcept { return features_; }

 private:
  void grow();

  std::vector<Feature> features_;
  std::vector<int32_t> slots_ = std::vector<int32_t>(1024, 0);  // 1 + index into features_, 0: free
};

/// The word features and the character features of one text. Reused from text to text; one a thread.
class TextFeatures {
 public:
  explicit TextFeatures(const HashedSettings& settings) : settings_(settings) {}

  /// Replaces the features by those of `text`. No run of words goes over the end of a piece (take_piece), and
  /// only the first few million different features count: memory is bounded whatever the text.
  void read(std::string_view text);
  const std::vector<Feature>& words() const noexcept { return word_counts_.features(); }
  const std::vector<Feature>& characters() const noexcept { return character_counts_.features(); }

 private:
  void read_piece(std::string_view piece);
  void add_word_ngrams(int64_t i);
  void add_character_ngrams(const Word& word, std::string_view text);

  HashedSettings settings_;
  WordList list_;
  std::vector<uint64_t> word_hashes_;
  std::string bounded_;          // the word between its two boundary marks
  std::vector<int64_t> starts_;  // byte offsets of the characters of bounded_
  FeatureCounter word_counts_;
  FeatureCounter character_counts_;
};

}  // namespace headrace::embed
