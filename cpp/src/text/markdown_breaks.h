#pragma once

#include <algorithm>
#include <cstdint>

#include "breaks.h"
#include "markdown_scan.h"
#include "measure.h"
#include "recursive_breaks.h"
#include "scanner.h"

namespace headrace::text {

/// Blocks, then list items, then what RecursiveBreaks finds inside them; a table or a code block that fits
/// into a chunk of its own stays whole.
template <class Code>
class MarkdownBreaks final : public Breaks {
 public:
  MarkdownBreaks(const Scanner<Code>& text, const Measure& measure, const MarkdownOutline& outline,
                 double fill, bool stable)
      : text_(text),
        measure_(measure),
        outline_(outline),
        fill_(fill),
        inner_(text, stable),
        stable_(stable) {}

  Cut best(const Window& window) const override {
    const auto least = static_cast<int64_t>(static_cast<double>(window.high - window.start) * fill_);
    Window filled = window;
    filled.low = std::max(window.low, window.start + least);
    Cut cut = last_mark(filled);
    if (cut.level == Level::kHard) cut = before_block(window);
    if (cut.level == Level::kHard) cut = inner_.best(filled);
    if (cut.level != Level::kHard || filled.low == window.low) return cut;
    return inner_.best({window.start, window.floor, window.low, filled.low - 1});
  }

  int64_t overlap_start(int64_t floor, int64_t low, int64_t end) const override {
    return inner_.overlap_start(floor, low, end);
  }

 private:
  // Of the marks of the best rank in the window the last one, or the one that the text around it chooses. The
  // blanks before a mark may go beyond the window.
  Cut last_mark(const Window& window) const {
    auto mark = std::upper_bound(outline_.marks.begin(), outline_.marks.end(), window.high, before_mark);
    Cut best{window.high, window.high, Level::kHard};
    int rank = MarkdownMark::kInnerItem + 1;
    if (mark != outline_.marks.end()) ++mark;
    LowestHash<Code> lowest(text_);
    const auto may_be_better = [&](int other) { return other < rank || (stable_ && other == rank); };
    while (mark != outline_.marks.begin() && may_be_better(MarkdownMark::kBlock) &&
           (--mark)->at > window.low) {
      const int64_t end = text_.trim_end_to(window.start, window.high, mark->at);
      if (!may_be_better(mark->rank) || end < window.low || end > window.high) continue;
      if (mark->rank < rank) lowest.forget();
      if (stable_ && !lowest.offer(mark->at)) continue;
      rank = mark->rank;
      best = {end, text_.skip_blanks(mark->at), Level::kBlock};
    }
    return best;
  }

  // Where the window ends inside a block that fits by itself: before it.
  Cut before_block(const Window& window) const {
    auto block = std::upper_bound(outline_.blocks.begin(), outline_.blocks.end(), window.high, before_start);
    if (block == outline_.blocks.begin()) return {window.high, window.high, Level::kHard};
    --block;
    const int64_t end = text_.trim_end(window.start, block->start);
    const bool cut_off = block->start > window.low && block->trimmed > window.high;
    if (!cut_off || end < window.low || measure_.window_end(block->start, 0) < block->trimmed) {
      return {window.high, window.high, Level::kHard};
    }
    return {end, text_.skip_blanks(block->start), Level::kBlock};
  }

  static bool before_mark(int64_t position, const MarkdownMark& mark) { return position < mark.at; }
  static bool before_start(int64_t position, const MarkdownBlock& block) { return position < block.start; }

  const Scanner<Code>& text_;
  const Measure& measure_;
  const MarkdownOutline& outline_;
  double fill_;
  RecursiveBreaks<Code> inner_;
  bool stable_;
};

}  // namespace headrace::text
