#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "breaks.h"
#include "recursive_breaks.h"
#include "scanner.h"

namespace headrace::text {

/// The given sentence boundaries; inside a sentence what RecursiveBreaks finds.
template <class Code>
class SentenceBreaks final : public Breaks {
 public:
  SentenceBreaks(const Scanner<Code>& text, const std::vector<int64_t>& edges, bool stable)
      : text_(text), edges_(edges), inner_(text, stable), stable_(stable) {}

  Cut best(const Window& window) const override {
    Cut found{window.high, window.high, Level::kHard};
    LowestHash<Code> lowest(text_);
    // The sentence that goes on behind the window may do so with blanks only.
    auto edge = std::upper_bound(edges_.begin(), edges_.end(), window.high);
    if (edge != edges_.end()) ++edge;
    while (edge != edges_.begin() && *--edge >= window.low) {
      const int64_t end = text_.trim_end_to(window.start, window.high, *edge);
      if (end < window.low) break;
      if (end > window.high || !text_.boundary(*edge, window.floor)) continue;
      if (!stable_ || lowest.offer(*edge)) found = {end, text_.skip_blanks(*edge), Level::kSentence};
      if (!stable_) return found;
    }
    return found.level == Level::kHard ? inner_.best(window) : found;
  }

  int64_t overlap_start(int64_t floor, int64_t low, int64_t end) const override {
    auto edge = std::lower_bound(edges_.begin(), edges_.end(), low);
    while (edge != edges_.end() && *edge < end && !text_.boundary(*edge, floor)) ++edge;
    return edge == edges_.end() ? end : std::min(text_.skip_blanks(*edge), end);
  }

 private:
  const Scanner<Code>& text_;
  const std::vector<int64_t>& edges_;
  RecursiveBreaks<Code> inner_;
  bool stable_;
};

}  // namespace headrace::text
