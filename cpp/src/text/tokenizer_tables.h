#pragma once

#include <cstdint>

#include "unicode_tables.h"

// What the `tokenizers` package does with each code point. See tools/tokenizer_tables.py.
namespace headrace::text {

inline constexpr uint8_t kCleanRemoved = 1;    ///< BertNormalizer, clean_text: dropped
inline constexpr uint8_t kCleanBlank = 2;      ///< BertNormalizer, clean_text: becomes a blank
inline constexpr uint8_t kChinese = 4;         ///< BertNormalizer, handle_chinese_chars: a word of its own
inline constexpr uint8_t kPunctuation = 8;     ///< BertPreTokenizer: a word of its own
inline constexpr uint8_t kTokenBlank = 16;     ///< White_Space
inline constexpr uint8_t kLetter = 32;         ///< \p{L}
inline constexpr uint8_t kNumber = 64;         ///< \p{N}
inline constexpr uint8_t kStrippedMark = 128;  ///< BertNormalizer, strip_accents: dropped

extern const uint8_t kTokenizerIndex[];
extern const uint8_t kTokenizerData[];

/// Lists of (code point, count, code points it becomes), ascending; without the Hangul syllables.
extern const uint32_t kStripped[];
extern const int64_t kStrippedSize;
extern const uint32_t kLowered[];
extern const int64_t kLoweredSize;

/// Canonical_Combining_Class where it is not 0: (code point, class), ascending.
extern const uint32_t kCombining[];
extern const int64_t kCombiningSize;

inline uint8_t tokenizer_bits(uint32_t code) {
  if (code > 0x10FFFF) return 0;
  return kTokenizerData[(kTokenizerIndex[code >> kBlockBits] << kBlockBits) |
                        (code & ((1u << kBlockBits) - 1))];
}

}  // namespace headrace::text
