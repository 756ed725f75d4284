#pragma once

#include <cstdint>

#include "unicode.h"

namespace headrace::text {

/// Ends a sentence where a blank follows.
inline bool ends_sentence_before_blank(uint32_t code) {
  if (code < 0x80) return code == '.' || code == '!' || code == '?';
  return code == 0x2026 || code == 0x061F || code == 0x06D4 || code == 0x0964 || code == 0x0965 ||
         code == 0x0589;
}

/// Ends a sentence whatever follows: the marks of scripts written without blanks.
inline bool ends_sentence(uint32_t code) {
  return code == 0x3002 || code == 0xFF01 || code == 0xFF1F || code == 0xFF61;
}

/// Quotation marks and brackets that belong to the sentence they close.
inline bool closes(uint32_t code) {
  if (code < 0x80) return code == ')' || code == ']' || code == '}' || code == '"' || code == '\'';
  return code == 0xBB || code == 0x2019 || code == 0x201D || code == 0x300D || code == 0x300F ||
         code == 0xFF09 || code == 0x3011;
}

/// Commas and colons of scripts written without blanks.
inline bool ends_clause(uint32_t code) {
  return code == 0x3001 || code == 0xFF0C || code == 0xFF1B || code == 0xFF1A || code == 0xFF64;
}

inline bool is_lower(uint32_t code) {
  if (code < 0x80) return code >= 'a' && code <= 'z';
  return sentence_class(code) == SentenceClass::kLower;
}

}  // namespace headrace::text
