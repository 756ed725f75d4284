#pragma once

#include <cstdint>

#include "headrace/text/chunker.h"
#include "headrace/text/tokenizer.h"
#include "measure.h"

namespace headrace::text {

/// Tokens of a model: those of the text, of the prefix, and the special ones. The text is tokenized once;
/// what is cut where no word begins is counted again by itself.
class TokenMeasure final : public Measure {
 public:
  /// Tokenizes the text.
  TokenMeasure(TextView text, const ChunkOptions& options);

  int64_t window_end(int64_t start, int64_t reserved) const override;
  int64_t overlap_begin(int64_t end, int64_t reserved) const override;
  int64_t count(int64_t start, int64_t end) const override;
  int64_t excess(int64_t start, int64_t end, int64_t reserved) const override;
  int64_t overlap_excess(int64_t start, int64_t end) const override;

  const TokenList& tokens() const { return tokens_; }

 private:
  // Index of the first token that ends behind the position, and that begins at it or behind it.
  int64_t first_behind(int64_t position) const;
  int64_t first_from(int64_t position) const;
  bool between_words(int64_t position) const;
  int64_t count_again(int64_t start, int64_t end) const;

  TextView text_;
  const Tokenizer& tokenizer_;
  int64_t size_;  // less the special tokens and the prefix
  int64_t overlap_;
  bool joins_prefix_;  // the prefix may change the tokens that follow it
  std::string prefix_;
  TokenList tokens_;
};

/// How many tokens of each chunk are taken before its text: the special ones and the prefix.
int64_t taken_tokens(const ChunkOptions& options);

}  // namespace headrace::text
