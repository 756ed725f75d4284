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
  SentenceBreaks(const Scanner<Code>& text, const std::vector<int64_t>& edges)
      : text_(text), edges_(edges), inner_(text) {}

  Cut best(const Window& window) const override {
    // The sentence that goes on behind the window may do so with blanks only.
    auto edge = std::upper_bound(edges_.begin(), edges_.end(), window.high);
    if (edge != edges_.end()) ++edge;
    while (edge != edges_.begin() && *--edge >= window.low) {
      const int64_t end = text_.trim_end(window.start, *edge);
      if (end < window.low) break;
      if (end > window.high || !text_.boundary(*edge, window.floor)) continue;
      return {end, text_.skip_blanks(*edge), Level::kSentence};
    }
    return inner_.best(window);
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
};

}  // namespace headrace::text
