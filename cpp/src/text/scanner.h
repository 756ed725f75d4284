#pragma once

#include <cstdint>

#include "headrace/text/grapheme.h"
#include "kernels.h"
#include "marks.h"
#include "unicode.h"

namespace headrace::text {

/// One text, and what can be asked about the places in it. Nothing is kept: every answer is read from the
/// text.
template <class Code>
class Scanner {
 public:
  Scanner(const Code* text, int64_t size, const Kernels<Code>& kernels)
      : text_(text), size_(size), kernels_(kernels) {}

  int64_t size() const { return size_; }
  Code operator[](int64_t position) const { return text_[position]; }
  const Code* data() const { return text_; }
  const Kernels<Code>& kernels() const { return kernels_; }

  /// Is `position` a cluster boundary? `floor` is one at or before it.
  bool boundary(int64_t position, int64_t floor) const {
    return is_grapheme_boundary(text_, size_, position, floor);
  }

  /// Blanks are skipped one cluster at a time: one with a mark on it is no blank.
  int64_t skip_blanks(int64_t position) const {
    while (position < size_ && is_blank(text_[position]) && blank_alone(position)) ++position;
    return position;
  }

  /// The end of what lies in [low, position) without the blanks at its end.
  int64_t trim_end(int64_t low, int64_t position) const {
    while (position > low && is_blank(text_[position - 1]) && !follows_prepend(position - 1)) --position;
    return position;
  }

  /// The same for a position that may be far behind `high`; high + 1 where more than blanks lies between
  /// them.
  int64_t trim_end_to(int64_t low, int64_t high, int64_t position) const {
    if (position > high && skip_blanks(high) < position) return high + 1;
    return trim_end(low, position);
  }

  /// Is the blank at `position` a cluster of its own?
  bool blank_alone(int64_t position) const {
    if (position + 1 >= size_ || uint32_t{text_[position + 1]} < kFirstExtend) return true;
    if (grapheme_class(text_[position]) != Grapheme::kOther) return true;  // a control: nothing joins it
    const Grapheme next = grapheme_class(text_[position + 1]);
    return next != Grapheme::kExtend && next != Grapheme::kZwj && next != Grapheme::kSpacingMark;
  }

  /// Does a sentence end at `position`? A cheap test: a terminator, what closes, and a blank that no lower
  /// case letter follows. SentenceChunker asks UAX #29 instead.
  bool sentence_ends(int64_t position, int64_t floor) const {
    const bool before_blank = is_blank(text_[position]);
    int64_t i = position - 1;
    if (!before_blank && !has_wide_marks(text_[i])) return false;
    while (i > floor && position - i < kMaxClosers && closes(text_[i])) --i;
    if (ends_sentence(text_[i])) return true;
    return before_blank && ends_sentence_before_blank(text_[i]) && !goes_on(position);
  }

 private:
  static constexpr int64_t kMaxClosers = 8;

  bool follows_prepend(int64_t position) const {
    if (position == 0 || uint32_t{text_[position - 1]} < kFirstExtend) return false;
    return grapheme_class(text_[position - 1]) == Grapheme::kPrepend &&
           grapheme_class(text_[position]) == Grapheme::kOther;
  }

  // Marks that need no blank after them are all beyond U+3000.
  static bool has_wide_marks(uint32_t code) { return code >= 0x3000; }

  // After an abbreviation a lower case letter follows.
  bool goes_on(int64_t position) const {
    const int64_t next = skip_blanks(position);
    return next < size_ && is_lower(text_[next]);
  }

  const Code* text_;
  int64_t size_;
  const Kernels<Code>& kernels_;
};

}  // namespace headrace::text
