#pragma once

#include <cstdint>

namespace headrace::text {

/// Where the last breaks of a stretch are: indices of line feeds, -1 where there is none.
struct LineBreaks {
  int64_t paragraph = -1;  ///< the last line feed that ends an empty line
  int64_t line = -1;       ///< the last line feed
};

/// The few loops that read every code point, one set for each instruction set. All sets give the same
/// answers. Each searches text[low, high); `floor` <= low bounds what may be looked back at.
template <class Code>
struct Kernels {
  LineBreaks (*last_breaks)(const Code* text, int64_t floor, int64_t low, int64_t high);
  int64_t (*first_line_feed)(const Code* text, int64_t low, int64_t high);  ///< `high` where there is none
  int64_t (*last_blank)(const Code* text, int64_t low, int64_t high);  ///< ASCII blank or U+3000; -1: none
  /// One bit a code point, 64 in a word: those that may end a sentence (all that do, and some that don't).
  void (*sentence_marks)(const Code* text, int64_t low, int64_t high, uint64_t* marks);
  int64_t (*utf8_size)(const Code* text, int64_t low, int64_t high);  ///< bytes of text[low, high)
};

enum class Simd { kScalar, kSse2, kAvx2 };

/// The best set this processor can run.
Simd best_simd();

template <class Code>
const Kernels<Code>& kernels(Simd simd);

}  // namespace headrace::text
