#pragma once

#include <algorithm>
#include <cstdint>

#include "headrace/text/chunk_list.h"
#include "headrace/text/grapheme.h"
#include "kernels.h"
#include "marks.h"
#include "unicode.h"

namespace headrace::text {

/// What a cut stands at, best first. kEnd: the rest of the text fits.
enum class Level { kEnd, kParagraph, kLine, kSentence, kWord, kCluster, kHard };

/// Cuts one text from left to right. Every start is a cluster boundary (or follows a hard cut), which bounds
/// all looking back, so that each cut costs O(limit) and nothing is kept over the text.
template <class Unit, class Measure>
class Cutter {
 public:
  Cutter(const Unit* text, int64_t size, const Measure& measure, const Kernels<Unit>& kernels)
      : text_(text), size_(size), measure_(measure), kernels_(kernels) {}

  /// A chunk at least `fill` (0 to 1) of the limit long ends at the best break that follows.
  void run(double fill, bool overlapping, ChunkList& out) {
    fill_ = fill;
    stop_ = trim_end(0, size_);
    begin_at(skip_blanks(0));
    while (start_ < stop_) {
      Cut cut = cut_from(start_);
      if (start_ < fresh_ && cut.level >= Level::kCluster) cut = without_overlap(cut);
      emit(cut, out);
      advance(cut, overlapping);
    }
  }

 private:
  struct Cut {
    int64_t end;   // of the chunk
    int64_t next;  // where the text goes on
    Level level;
  };

  void begin_at(int64_t position) { start_ = fresh_ = anchor_ = position; }

  bool boundary(int64_t position) const { return is_grapheme_boundary(text_, size_, position, anchor_); }

  // Blanks are skipped one cluster at a time: one with a mark on it is no blank.
  int64_t skip_blanks(int64_t position) const {
    while (position < size_ && is_blank(text_[position]) && blank_alone(position)) ++position;
    return position;
  }

  bool blank_alone(int64_t position) const {
    if (position + 1 >= size_ || uint32_t{text_[position + 1]} < kFirstExtend) return true;
    if (grapheme_class(text_[position]) != Grapheme::kOther) return true;  // a control: nothing joins it
    const Grapheme next = grapheme_class(text_[position + 1]);
    return next != Grapheme::kExtend && next != Grapheme::kZwj && next != Grapheme::kSpacingMark;
  }

  int64_t trim_end(int64_t low, int64_t position) const {
    while (position > low && is_blank(text_[position - 1]) && !follows_prepend(position - 1)) --position;
    return position;
  }

  bool follows_prepend(int64_t position) const {
    if (position == 0 || uint32_t{text_[position - 1]} < kFirstExtend) return false;
    return grapheme_class(text_[position - 1]) == Grapheme::kPrepend &&
           grapheme_class(text_[position]) == Grapheme::kOther;
  }

  Cut cut_at(int64_t position, Level level) const {
    return {trim_end(start_, position), skip_blanks(position), level};
  }

  Cut cut_from(int64_t start) {
    const int64_t high = measure_.window_end(start);
    if (high >= stop_) return {stop_, stop_, Level::kEnd};
    const int64_t bottom = fresh_ + 1;  // each chunk holds something new
    if (bottom > high) return {high, high, Level::kHard};
    const int64_t low =
        std::max(bottom, start + static_cast<int64_t>(static_cast<double>(high - start) * fill_));
    Cut cut = best_break(low, high);
    if (cut.level == Level::kHard && low > bottom) cut = best_break(bottom, low - 1);
    return cut.level == Level::kHard ? last_cluster(bottom, high) : cut;
  }

  // The best break at a position in [low, high]; level kHard where there is none.
  Cut best_break(int64_t low, int64_t high) const {
    const LineBreaks breaks = kernels_.last_breaks(text_, start_, low, high + 1);
    if (breaks.paragraph >= 0) return cut_at(breaks.paragraph, Level::kParagraph);
    if (breaks.line >= 0) return cut_at(breaks.line, Level::kLine);
    for (int64_t i = high; i >= low; --i) {
      if (sentence_ends(i) && boundary(i)) return cut_at(i, Level::kSentence);
    }
    return last_word(low, high);
  }

  bool sentence_ends(int64_t position) const {
    const bool before_blank = is_blank(text_[position]);
    int64_t i = position - 1;
    if (!before_blank && !has_wide_marks(text_[i])) return false;
    while (i > start_ && position - i < kMaxClosers && closes(text_[i])) --i;
    if (ends_sentence(text_[i])) return true;
    return before_blank && ends_sentence_before_blank(text_[i]) && !goes_on(position);
  }

  // Marks that need no blank after them are all beyond U+3000.
  static bool has_wide_marks(uint32_t code) { return code >= 0x3000; }

  // After an abbreviation a lower case letter follows.
  bool goes_on(int64_t position) const {
    const int64_t next = skip_blanks(position);
    return next < size_ && is_lower(text_[next]);
  }

  Cut last_word(int64_t low, int64_t high) const {
    int64_t blank = high + 1;
    do blank = kernels_.last_blank(text_, low, blank);
    while (blank >= 0 && !boundary(blank));
    for (int64_t i = high; i > std::max(blank, low - 1) && sizeof(Unit) > 1; --i) {
      if (ends_clause(text_[i - 1]) && boundary(i)) return cut_at(i, Level::kWord);
    }
    return blank >= 0 ? cut_at(blank, Level::kWord) : Cut{high, high, Level::kHard};
  }

  Cut last_cluster(int64_t low, int64_t high) const {
    for (int64_t i = high; i >= low; --i) {
      if (boundary(i)) return {trim_end(start_, i), skip_blanks(i), Level::kCluster};
    }
    return {high, high, Level::kHard};
  }

  // An overlap that leaves no room for a good cut is given up.
  Cut without_overlap(const Cut& with) {
    const Cut saved = with;
    const int64_t start = start_;
    const int64_t anchor = anchor_;
    begin_at(fresh_);
    const Cut cut = cut_from(start_);
    if (cut.level < saved.level || saved.level == Level::kHard) return cut;
    start_ = start;
    anchor_ = anchor;
    return saved;
  }

  void emit(const Cut& cut, ChunkList& out) {
    if (inside_ || cut.level == Level::kHard) out.splits.push_back(static_cast<int64_t>(out.spans.size()));
    out.spans.push_back({start_, cut.end});
  }

  void advance(const Cut& cut, bool overlapping) {
    inside_ = cut.level == Level::kHard;
    if (inside_) {
      const int64_t next = skip_blanks(cut.next);
      inside_ = next == cut.next;
      if (!inside_) anchor_ = next;
      start_ = fresh_ = next;
      return;
    }
    const int64_t low = overlapping ? std::max(measure_.overlap_begin(cut.end), start_ + 1) : cut.end;
    const int64_t again = low < cut.end && cut.next < stop_ ? overlap_start(low, cut.end) : cut.end;
    begin_at(again < cut.end ? again : cut.next);
    fresh_ = cut.next;
  }

  // A good place in [low, end) to start the next chunk at; `end` where there is none.
  int64_t overlap_start(int64_t low, int64_t end) const {
    const int64_t half = low + (end - low) / 2;
    const int64_t line = text_[low - 1] == '\n' ? low : kernels_.first_line_feed(text_, low, half) + 1;
    if (line <= half && skip_blanks(line) < end) return skip_blanks(line);
    for (int64_t i = low; i < half; ++i) {
      if (sentence_ends(i) && boundary(i) && skip_blanks(i) < end) return skip_blanks(i);
    }
    for (int64_t i = low; i < end; ++i) {
      if (is_blank(text_[i - 1]) && !is_blank(text_[i]) && boundary(i)) return i;
    }
    for (int64_t i = low; i < end; ++i) {
      if (boundary(i) && !(is_blank(text_[i]) && blank_alone(i))) return i;
    }
    return end;
  }

  static constexpr int64_t kMaxClosers = 8;

  const Unit* text_;
  int64_t size_;
  const Measure& measure_;
  const Kernels<Unit>& kernels_;
  double fill_ = 0;
  int64_t stop_ = 0;     // the end without trailing blanks
  int64_t start_ = 0;    // of the next chunk
  int64_t fresh_ = 0;    // first position of it that no chunk has yet
  int64_t anchor_ = 0;   // a cluster boundary at or before start_
  bool inside_ = false;  // start_ follows a hard cut
};

}  // namespace headrace::text
