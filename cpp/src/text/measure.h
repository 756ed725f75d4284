#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels.h"
#include "unicode.h"

namespace headrace::text {

/// What size and overlap count, for one text.
class Measure {
 public:
  virtual ~Measure() = default;

  /// The last position (at most the end of the text) such that text[start, position) is within the limit, of
  /// which `reserved` is taken by something else. Where excess() is not always 0, about that position.
  virtual int64_t window_end(int64_t start, int64_t reserved) const = 0;

  /// The first position such that text[position, end) is within the overlap less `reserved`.
  virtual int64_t overlap_begin(int64_t end, int64_t reserved) const = 0;

  /// Size of text[start, end).
  virtual int64_t count(int64_t start, int64_t end) const = 0;

  /// By how much text[start, end) is over the limit after all, and as an overlap over the overlap.
  virtual int64_t excess(int64_t start, int64_t end, int64_t reserved) const { return 0; }
  virtual int64_t overlap_excess(int64_t start, int64_t end) const { return 0; }
};

/// Code points.
class CharMeasure final : public Measure {
 public:
  CharMeasure(int64_t text_size, int64_t size, int64_t overlap)
      : text_size_(text_size), size_(size), overlap_(overlap) {}

  int64_t window_end(int64_t start, int64_t reserved) const override {
    return size_ - reserved >= text_size_ - start ? text_size_ : start + size_ - reserved;
  }
  int64_t count(int64_t start, int64_t end) const override { return end - start; }
  int64_t overlap_begin(int64_t end, int64_t reserved) const override {
    return std::max<int64_t>(end - overlap_ + reserved, 0);
  }

 private:
  int64_t text_size_;
  int64_t size_;
  int64_t overlap_;
};

/// Bytes of UTF-8.
template <class Code>
class ByteMeasure final : public Measure {
 public:
  ByteMeasure(const Code* text, int64_t text_size, int64_t size, int64_t overlap,
              const Kernels<Code>& kernels)
      : text_(text), text_size_(text_size), size_(size), overlap_(overlap), kernels_(kernels) {}

  int64_t window_end(int64_t start, int64_t reserved) const override {
    int64_t left = size_ - reserved;
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

  int64_t count(int64_t start, int64_t end) const override { return kernels_.utf8_size(text_, start, end); }

  int64_t overlap_begin(int64_t end, int64_t reserved) const override {
    int64_t left = overlap_ - reserved;
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
  static constexpr int64_t kWidest = sizeof(Code) == 1 ? 2 : sizeof(Code) == 2 ? 3 : 4;
  static constexpr int64_t kSmall = 16;

  const Code* text_;
  int64_t text_size_;
  int64_t size_;
  int64_t overlap_;
  const Kernels<Code>& kernels_;
};

}  // namespace headrace::text
