#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "unicode.h"

namespace headrace::text {

/// Tokens that are found in the raw text, before anything is normalized: [MASK] and the like.
class AddedTokens {
 public:
  struct Token {
    std::vector<uint32_t> content;
    int32_t id = 0;
    bool takes_left = false;   ///< the blanks before it belong to it
    bool takes_right = false;  ///< those after it
  };
  struct Match {
    const Token* token;  ///< null where there is none
    int64_t start;
    int64_t end;
  };

  void add(Token token) { tokens_.push_back(std::move(token)); }
  const std::vector<Token>& all() const { return tokens_; }

  bool may_begin(uint32_t code) const {
    return std::any_of(tokens_.begin(), tokens_.end(),
                       [&](const Token& token) { return token.content.front() == code; });
  }

  /// The longest one at `position`. The blanks that it takes go back to `floor` at most.
  template <class Code>
  Match find(const Code* text, int64_t size, int64_t position, int64_t floor) const {
    const Token* found = nullptr;
    for (const Token& token : tokens_) {
      const bool longer = found == nullptr || token.content.size() > found->content.size();
      if (longer && stands_at(token, text, size, position)) found = &token;
    }
    if (found == nullptr) return {nullptr, position, position};
    Match match{found, position, position + static_cast<int64_t>(found->content.size())};
    while (found->takes_left && match.start > floor && is_blank(text[match.start - 1])) --match.start;
    while (found->takes_right && match.end < size && is_blank(text[match.end])) ++match.end;
    return match;
  }

 private:
  template <class Code>
  static bool stands_at(const Token& token, const Code* text, int64_t size, int64_t position) {
    if (static_cast<int64_t>(token.content.size()) > size - position) return false;
    return std::equal(token.content.begin(), token.content.end(), text + position);
  }

  std::vector<Token> tokens_;
};

}  // namespace headrace::text
