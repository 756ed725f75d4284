#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace headrace::text {

/// Tokens that are found in the raw text, before anything is normalized: [MASK] and the like.
class AddedTokens {
 public:
  struct Token {
    std::vector<uint32_t> content;
    int32_t id;
  };

  void add(std::vector<uint32_t> content, int32_t id) { tokens_.push_back({std::move(content), id}); }
  const std::vector<Token>& all() const { return tokens_; }

  /// The longest one at `position` of the text, null where there is none.
  template <class Code>
  const Token* find(const Code* text, int64_t size, int64_t position) const {
    const Token* found = nullptr;
    for (const Token& token : tokens_) {
      const auto length = static_cast<int64_t>(token.content.size());
      if (length > size - position || (found != nullptr && found->content.size() >= token.content.size()))
        continue;
      int64_t i = 0;
      while (i < length && text[position + i] == token.content[static_cast<size_t>(i)]) ++i;
      if (i == length) found = &token;
    }
    return found;
  }

 private:
  std::vector<Token> tokens_;
};

}  // namespace headrace::text
