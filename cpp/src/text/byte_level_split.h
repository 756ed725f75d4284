#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "tokenizer_tables.h"

namespace headrace::text {

/// The known ways to split a text into words before byte-level BPE, each a regular expression.
enum class ByteLevelSplit { kGpt2, kLlama3, kQwen2 };

inline constexpr std::string_view kLlama3Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
inline constexpr std::string_view kQwen2Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

/// Finds where the word that begins at a position ends: what the expression matches there.
template <class Code>
class WordEnd {
 public:
  WordEnd(const Code* text, int64_t size, ByteLevelSplit split) : text_(text), size_(size), split_(split) {}

  int64_t operator()(int64_t at) const { return split_ == ByteLevelSplit::kGpt2 ? gpt2(at) : llama3(at); }

 private:
  static constexpr uint8_t kKinds = kLetter | kNumber | kTokenBlank;

  uint8_t kind(int64_t at) const {
    return at < size_ ? tokenizer_bits(text_[at]) & kKinds : uint8_t{kTokenBlank};
  }

  int64_t run(int64_t at, uint8_t wanted) const {
    while (at < size_ && kind(at) == wanted) ++at;
    return at;
  }

  // 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
  int64_t gpt2(int64_t at) const {
    if (text_[at] == '\'' && contraction(at, false) > 0) return at + contraction(at, false);
    const int64_t first = text_[at] == ' ' && kind(at + 1) != kTokenBlank ? at + 1 : at;
    return kind(first) == kTokenBlank ? blanks(at) : run(first, kind(first));
  }

  // The patterns above; kQwen2 has each digit by itself.
  int64_t llama3(int64_t at) const {
    if (text_[at] == '\'' && contraction(at, true) > 0) return at + contraction(at, true);
    if (kind(at) == kLetter) return run(at, kLetter);
    if (kind(at) == kNumber)
      return std::min(run(at, kNumber), at + (split_ == ByteLevelSplit::kQwen2 ? 1 : 3));
    if (at + 1 < size_ && kind(at + 1) == kLetter && !is_line_end(text_[at])) return run(at + 1, kLetter);
    const int64_t first = text_[at] == ' ' && kind(at + 1) == 0 ? at + 1 : at;
    if (kind(first) == 0) {
      int64_t end = run(first, 0);
      while (end < size_ && is_line_end(text_[end])) ++end;
      return end;
    }
    const int64_t end = run(at, kTokenBlank);
    for (int64_t i = end; i > at; --i) {
      if (is_line_end(text_[i - 1])) return i;
    }
    return blanks(at);
  }

  // \s+(?!\S)|\s+: all blanks but the last one where something follows them.
  int64_t blanks(int64_t at) const {
    const int64_t end = run(at, kTokenBlank);
    return end < size_ && end - at > 1 ? end - 1 : end;
  }

  static bool is_line_end(uint32_t code) { return code == '\r' || code == '\n'; }

  // Length of 's, 't, 're, 've, 'm, 'll, 'd at the apostrophe, else 0.
  int64_t contraction(int64_t at, bool any_case) const {
    const char first = letter(at + 1, any_case);
    if (first == 's' || first == 't' || first == 'm' || first == 'd') return 2;
    const char second = letter(at + 2, any_case);
    const bool two = ((first == 'r' || first == 'v') && second == 'e') || (first == 'l' && second == 'l');
    return two ? 3 : 0;
  }

  char letter(int64_t at, bool any_case) const {
    if (at >= size_) return '\0';
    const uint32_t code = text_[at];
    if (any_case && code >= 'A' && code <= 'Z') return static_cast<char>(code + 'a' - 'A');
    if (any_case && code == 0x017F) return 's';  // LATIN SMALL LETTER LONG S, to which case folding is blind
    return code < 0x80 ? static_cast<char>(code) : '\0';
  }

  const Code* text_;
  int64_t size_;
  ByteLevelSplit split_;
};

}  // namespace headrace::text
