#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "added_tokens.h"
#include "byte_level_split.h"
#include "headrace/text/tokenizer.h"
#include "merge_table.h"
#include "pool.h"

namespace headrace::text {

/// What a byte-level BPE model of a tokenizer.json says.
struct BytePairModel {
  std::unordered_map<std::string, int32_t> vocabulary;  ///< bytes written as characters, see byte_of_char()
  std::vector<std::pair<std::string, std::string>> merges;  ///< the first ones first
  bool ignore_merges = false;                               ///< a word of the vocabulary is taken as it is
  ByteLevelSplit split = ByteLevelSplit::kGpt2;
  bool prefix_space = false;        ///< a text that begins with no blank gets one
  bool trims_offsets = false;       ///< the blanks of a token are no part of its span
  bool trims_after_prefix = false;  ///< but for the added one
  AddedTokens added;
  int64_t special_tokens = 0;
};

/// GPT-2's: words, their bytes, and pairs of tokens merged in the order that the model learned.
class BytePairTokenizer final : public Tokenizer {
 public:
  /// Throws ConfigurationError where the vocabulary lacks a byte or a merge makes no token of it.
  explicit BytePairTokenizer(const BytePairModel& model);

  void encode(TextView text, TokenList& out) const override;
  int64_t special_tokens() const override { return special_tokens_; }
  bool has_words() const override { return false; }

  /// A word's tokens, as the cache keeps them.
  struct alignas(64) Word {
    static constexpr int kLongest = 24;
    static constexpr int kPieces = 7;
    std::array<uint8_t, kLongest> bytes{};
    std::array<int32_t, kPieces> ids{};
    std::array<uint8_t, kPieces> ends{};  // of the tokens, in bytes
    uint8_t length = 0;
    uint8_t count = 0;
  };
  struct Scratch {
    static constexpr size_t kWords = size_t{1} << 14;
    std::vector<Word> cache = std::vector<Word>(kWords);
  };

 private:
  template <class Code>
  friend class BytePairRun;

  std::array<int32_t, 256> bytes_;
  MergeTable merges_;
  std::unordered_map<std::string, int32_t> whole_;  // of ignore_merges: raw bytes
  ByteLevelSplit split_;
  bool prefix_space_;
  bool trims_offsets_;
  bool trims_after_prefix_;
  AddedTokens added_;
  int64_t special_tokens_;
  mutable Pool<Scratch> scratch_;
};

}  // namespace headrace::text
