#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "headrace/text/text_view.h"
#include "headrace/text/token_list.h"

namespace headrace::text {

/// Turns text into the tokens of a model. Immutable: one tokenizer may be used by many threads at once.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  /// Appends the tokens of the whole text: nothing is truncated or padded, no special token is added. Throws
  /// ConfigurationError for texts of more than 2^31 - 1 code points.
  virtual void encode(TextView text, TokenList& out) const = 0;

  /// How many tokens the model adds around one text.
  virtual int64_t special_tokens() const = 0;

  /// Whether TokenList::begins can be relied on: a text cut before such a token has the tokens of its parts,
  /// even where the blanks at the cut are left out.
  virtual bool has_words() const = 0;
};

/// How many tokens the model sees for each text, special tokens included; on `threads` threads (0: all
/// processors).
std::vector<int64_t> count_tokens(const Tokenizer& tokenizer, const std::vector<TextView>& texts,
                                  int threads = 0);

/// The native tokenizer of a `tokenizer.json`: WordPiece as BERT has it, byte-level BPE as GPT-2 has it. Its
/// truncation and padding are ignored. Throws ConfigurationError that names what it doesn't know natively.
std::unique_ptr<Tokenizer> make_tokenizer(std::string_view json);

}  // namespace headrace::text
