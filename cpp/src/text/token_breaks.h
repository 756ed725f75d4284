#pragma once

#include <algorithm>
#include <cstdint>

#include "breaks.h"
#include "headrace/text/token_list.h"
#include "lowest_hash.h"
#include "scanner.h"

namespace headrace::text {

/// Where words of a tokenizer begin.
template <class Code>
class TokenBreaks final : public Breaks {
 public:
  TokenBreaks(const Scanner<Code>& text, const TokenList& tokens, bool stable)
      : text_(text), tokens_(tokens), stable_(stable) {}

  Cut best(const Window& window) const override {
    Cut found{window.high, window.high, Level::kHard};
    LowestHash<Code> lowest(text_);
    for (int64_t i = first_from(window.high + 1) - 1; i >= 0 && tokens_.spans[i].start >= window.low; --i) {
      const int64_t at = tokens_.spans[i].start;
      if (tokens_.begins[i] == 0 || !text_.boundary(at, window.floor)) continue;
      if (!stable_ || lowest.offer(at))
        found = {text_.trim_end(window.start, at), text_.skip_blanks(at), Level::kWord};
      if (!stable_) break;
    }
    return found;
  }

  int64_t overlap_start(int64_t floor, int64_t low, int64_t end) const override {
    for (int64_t i = first_from(low); i < tokens_.size() && tokens_.spans[i].start < end; ++i) {
      const int64_t at = tokens_.spans[i].start;
      if (tokens_.begins[i] == 1 && text_.boundary(at, floor)) return std::min(text_.skip_blanks(at), end);
    }
    return end;
  }

 private:
  int64_t first_from(int64_t position) const {
    const TokenSpan* begin = tokens_.spans.data();
    return std::partition_point(begin, begin + tokens_.size(),
                                [&](TokenSpan span) { return span.start < position; }) -
           begin;
  }

  const Scanner<Code>& text_;
  const TokenList& tokens_;
  bool stable_;
};

}  // namespace headrace::text
