#pragma once

#include <cstdint>

#include "unicode_tables.h"

namespace headrace::text {

/// Grapheme_Cluster_Break, with Extended_Pictographic and the consonants of GB9c as classes of their own.
// clang-format off
enum class Grapheme : uint8_t {
  kOther, kCr, kLf, kControl, kExtend, kZwj, kRegional, kPrepend, kSpacingMark,
  kL, kV, kT, kLv, kLvt, kPictographic, kConsonant
};
// clang-format on
inline constexpr uint8_t kConjunctLinker = 0x10;
inline constexpr uint8_t kConjunctExtend = 0x20;
/// Below this code point only CR LF is a cluster of two.
inline constexpr uint32_t kFirstExtend = 0x300;

inline uint8_t grapheme_bits(uint32_t code) {
  if (code > 0x10FFFF) return 0;
  return kGraphemeData[(kGraphemeIndex[code >> kBlockBits] << kBlockBits) |
                       (code & ((1u << kBlockBits) - 1))];
}

inline Grapheme grapheme_class(uint32_t code) {
  return static_cast<Grapheme>(grapheme_bits(code) & 0x0F);
}

/// Sentence_Break.
// clang-format off
enum class SentenceClass : uint8_t {
  kOther, kCr, kLf, kSep, kExtend, kFormat, kSp, kLower, kUpper, kOLetter, kNumeric, kATerm,
  kSContinue, kSTerm, kClose
};
// clang-format on

inline SentenceClass sentence_class(uint32_t code) {
  if (code > 0x10FFFF) return SentenceClass::kOther;
  return static_cast<SentenceClass>(
      kSentenceData[(kSentenceIndex[code >> kBlockBits] << kBlockBits) | (code & ((1u << kBlockBits) - 1))]);
}

/// White_Space of the Unicode Character Database (each of them is a blank to Python's str.isspace() too).
inline bool is_blank(uint32_t code) {
  if (code <= 0x20) return code == 0x20 || (code >= 0x09 && code <= 0x0D);
  if (code < 0x1680) return code == 0x85 || code == 0xA0;
  if (code < 0x2000) return code == 0x1680;
  return code <= 0x200A || code == 0x2028 || code == 0x2029 || code == 0x202F || code == 0x205F ||
         code == 0x3000;
}

/// Bytes of UTF-8 for a code point (a lone surrogate counts as three, like any of its neighbours).
inline int utf8_size(uint32_t code) {
  return 1 + (code >= 0x80) + (code >= 0x800) + (code >= 0x10000);
}

}  // namespace headrace::text
