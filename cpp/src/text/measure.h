#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels.h"
#include "unicode.h"

namespace headrace::text {

/// How far a window reaches where the limit counts code points.
class CharMeasure {
 public:
  CharMeasure(int64_t text_size, int64_t size, int64_t overlap)
      : text_size_(text_size), size_(size), overlap_(overlap) {}

  /// The last position (at most the end of the text) such that text[start, position) is within the limit.
  int64_t window_end(int64_t start) const { return size_ >= text_size_ - start ? text_size_ : start + size_; }
  /// The first position such that text[position, end) is within the overlap.
  int64_t overlap_begin(int64_t end) const { return std::max<int64_t>(end - overlap_, 0); }

 private:
  int64_t text_size_;
  int64_t size_;
  int64_t overlap_;
};

/// The same where the limit counts bytes of UTF-8.
template <class Unit>
class ByteMeasure {
 public:
  ByteMeasure(const Unit* text, int64_t text_size, int64_t size, int64_t overlap,
              const Kernels<Unit>& kernels)
      : text_(text), text_size_(text_size), size_(size), overlap_(overlap), kernels_(kernels) {}

  int64_t window_end(int64_t start) const {
    int64_t left = size_;
    int64_t at = start;
    // What surely fits, measured in one go; again for what is left.
    for (int64_t step = left / kWidest; step >= kSmall && at < text_size_; step = left / kWidest) {
      const int64_t next = std::min(at + step, text_size_);
      left -= kernels_.utf8_size(text_, at, next);
      at = next;
    }
    for (; at < text_size_ && utf8_size(text_[at]) <= left; ++at) left -= utf8_size(text_[at]);
    return at;
  }

  int64_t overlap_begin(int64_t end) const {
    int64_t left = overlap_;
    int64_t at = end;
    for (int64_t step = left / kWidest; step >= kSmall && at > 0; step = left / kWidest) {
      const int64_t next = std::max<int64_t>(at - step, 0);
      left -= kernels_.utf8_size(text_, next, at);
      at = next;
    }
    for (; at > 0 && utf8_size(text_[at - 1]) <= left; --at) left -= utf8_size(text_[at - 1]);
    return at;
  }

 private:
  static constexpr int64_t kWidest = sizeof(Unit) == 1 ? 2 : sizeof(Unit) == 2 ? 3 : 4;
  static constexpr int64_t kSmall = 16;

  const Unit* text_;
  int64_t text_size_;
  int64_t size_;
  int64_t overlap_;
  const Kernels<Unit>& kernels_;
};

}  // namespace headrace::text
