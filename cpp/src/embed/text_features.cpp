#include "text_features.h"

#include <xxhash.h>

#include <algorithm>

#include "utf8.h"

namespace headrace::embed {
namespace {

// Seeds keep a word, a pair of words and a run of characters with the same letters apart.
constexpr uint64_t kWordSeed = 1;
constexpr uint64_t kCharacterSeed = 2;
constexpr size_t kMostFeatures = size_t{1} << 22;  // of a text; beyond that a vector is noise anyway

uint64_t hash(std::string_view text, uint64_t seed) {
  return XXH3_64bits_withSeed(text.data(), text.size(), seed);
}

uint64_t join(uint64_t left, uint64_t right) {
  uint64_t mixed = left * 0x9E3779B97F4A7C15ULL + right;
  mixed ^= mixed >> 29;
  mixed *= 0xBF58476D1CE4E5B9ULL;
  return mixed ^ (mixed >> 32);
}

}  // namespace

void FeatureCounter::clear() {
  const size_t mask = slots_.size() - 1;
  if (features_.size() * 4 > slots_.size()) {
    std::fill(slots_.begin(), slots_.end(), 0);
  } else {
    for (const Feature& feature : features_) {
      // Everything in a chain goes, so whole chains are wiped from their start on.
      for (size_t slot = feature.hash & mask; slots_[slot] != 0; slot = (slot + 1) & mask) slots_[slot] = 0;
    }
  }
  features_.clear();
}

void FeatureCounter::add(uint64_t hash) {
  const size_t mask = slots_.size() - 1;
  for (size_t slot = hash & mask;; slot = (slot + 1) & mask) {
    if (slots_[slot] == 0) {
      if (features_.size() >= kMostFeatures) return;
      features_.push_back({hash, 1});
      slots_[slot] = static_cast<int32_t>(features_.size());
      break;
    }
    Feature& feature = features_[static_cast<size_t>(slots_[slot] - 1)];
    if (feature.hash == hash) {
      ++feature.count;
      return;
    }
  }
  if (features_.size() * 2 > slots_.size()) grow();
}

void FeatureCounter::grow() {
  slots_.assign(slots_.size() * 2, 0);
  const size_t mask = slots_.size() - 1;
  for (size_t i = 0; i < features_.size(); ++i) {
    size_t slot = features_[i].hash & mask;
    while (slots_[slot] != 0) slot = (slot + 1) & mask;
    slots_[slot] = static_cast<int32_t>(i + 1);
  }
}

void TextFeatures::read(std::string_view text) {
  word_counts_.clear();
  character_counts_.clear();
  while (!text.empty()) read_piece(take_piece(text));
}

void TextFeatures::read_piece(std::string_view piece) {
  list_.read(piece);
  word_hashes_.clear();
  for (int64_t i = 0; i < list_.size(); ++i) {
    word_hashes_.push_back(hash(list_.text(i), kWordSeed));
    add_word_ngrams(i);
    if (settings_.max_char_ngram > 0) add_character_ngrams(list_[i], list_.text(i));
  }
}

void TextFeatures::add_word_ngrams(int64_t i) {
  const auto at = [&](int64_t k) { return word_hashes_[static_cast<size_t>(k)]; };
  uint64_t feature = at(i);
  word_counts_.add(feature);
  for (int64_t n = 2; n <= settings_.word_ngrams && n <= i + 1; ++n) {
    feature = join(at(i - n + 1), feature);
    word_counts_.add(feature);
  }
}

void TextFeatures::add_character_ngrams(const Word& word, std::string_view text) {
  if (word.unspaced) {  // a pair of characters: the pair is a word already, so only its first character
                        // counts
    size_t length = 0;
    next_code_point(text, length);
    return character_counts_.add(hash(text.substr(0, length), kCharacterSeed));
  }
  bounded_.assign(1, '\x02').append(text).push_back('\x03');
  starts_.clear();
  for (size_t i = 0; i < bounded_.size(); ++i) {
    if (starts_character(bounded_[i])) starts_.push_back(static_cast<int64_t>(i));
  }
  const auto characters = static_cast<int64_t>(starts_.size());
  starts_.push_back(static_cast<int64_t>(bounded_.size()));
  for (int64_t n = settings_.min_char_ngram; n <= std::min(settings_.max_char_ngram, characters); ++n) {
    for (int64_t i = 0; i + n <= characters; ++i) {
      const auto start = static_cast<size_t>(starts_[static_cast<size_t>(i)]);
      const auto end = static_cast<size_t>(starts_[static_cast<size_t>(i + n)]);
      character_counts_.add(hash(std::string_view(bounded_).substr(start, end - start), kCharacterSeed));
    }
  }
}

}  // namespace headrace::embed
