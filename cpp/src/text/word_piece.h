#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "added_tokens.h"
#include "bert_chars.h"
#include "headrace/text/tokenizer.h"
#include "pool.h"
#include "trie.h"

namespace headrace::text {

/// What a WordPiece model of a tokenizer.json says.
struct WordPieceModel {
  std::unordered_map<std::string, int32_t> vocabulary;
  std::string unknown = "[UNK]";
  std::string continuing_prefix = "##";
  int64_t max_word = 100;  ///< characters; a longer word is unknown
  BertSteps steps;
  AddedTokens added;
  int64_t special_tokens = 0;
};

/// BERT's: BertNormalizer, BertPreTokenizer, and the longest known piece first.
class WordPieceTokenizer final : public Tokenizer {
 public:
  /// Throws ConfigurationError where the vocabulary has no token for the unknown, or too many characters.
  explicit WordPieceTokenizer(const WordPieceModel& model);

  void encode(TextView text, TokenList& out) const override;
  int64_t special_tokens() const override { return special_tokens_; }
  bool has_words() const override { return true; }

  /// The pieces of one word, as the cache keeps them: a line of the processor's own cache.
  struct alignas(64) Word {
    static constexpr int kLongest = 16;
    static constexpr int kPieces = 6;
    std::array<uint16_t, kLongest> symbols{};
    std::array<int32_t, kPieces> ids{};
    std::array<uint8_t, kPieces> ends{};
    uint8_t count = 0;
    uint8_t unused = 0;
  };
  /// Words seen lately, by the hash of their symbols.
  using Cache = std::vector<Word>;

 private:
  template <class Code>
  friend class WordPieceRun;

  BertChars chars_;
  Trie trie_;
  int32_t continuing_;  // node of the trie where the pieces begin that continue a word
  int32_t unknown_;
  int64_t max_word_;
  int64_t special_tokens_;
  AddedTokens added_;
  std::vector<int32_t> alone_;  // id of the word that is one symbol
  struct Scratch {
    Cache cache = Cache(size_t{1} << kCacheBits);
  };
  static constexpr int kCacheBits = 14;
  mutable Pool<Scratch> scratch_;
};

}  // namespace headrace::text
