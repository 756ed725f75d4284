#pragma once

// The kernels, written once over a Block: how one instruction set makes masks of 64 code units. Everything is
// in an unnamed namespace, because each including file is compiled for another instruction set: a shared
// inline function could end up with instructions that the processor lacks.
#include <cstdint>

#include "kernels.h"

namespace headrace::text {
namespace {

constexpr int64_t kBlock = 64;

template <class Code>
bool is_ascii_blank(Code code) {
  return code == ' ' || (code >= 9 && code <= 13);
}

/// Every Sep, CR, LF, ATerm and STerm of Sentence_Break is one of these; a table decides about the rest.
inline bool may_end_sentence(uint32_t code) {
  if (code < 0x580)
    return code == '.' || code == '\n' || code == '!' || code == '?' || code == '\r' || code == 0x85;
  if (code < 0x700) return code == 0x589 || (code >= 0x61D && code <= 0x61F) || code == 0x6D4;
  if (code < 0x2C00) return code < 0x1E00 || (code >= 0x2024 && code <= 0x2049);
  if (code < 0xA400) return code <= 0x3002 && (code < 0x3000 || code == 0x3002);
  if (code < 0xFE50) return code < 0xAC00;
  if (code < 0x10000)
    return code <= 0xFE57 || code == 0xFF01 || code == 0xFF0E || code == 0xFF1F || code == 0xFF61;
  return code >= 0x10A00 && code < 0x1DB00;
}

// Does the line feed at `position` end a line that is empty but for blanks?
template <class Code>
bool ends_empty_line(const Code* text, int64_t floor, int64_t position) {
  for (int64_t i = position - 1; i >= floor; --i) {
    if (text[i] == '\n') return true;
    if (text[i] != ' ' && text[i] != '\t' && text[i] != '\r') return false;
  }
  return false;
}

/// Bits of the mask of text[position, position + 64) that lie in [low, high).
inline uint64_t bits_between(int64_t position, int64_t low, int64_t high) {
  uint64_t bits = ~uint64_t{0};
  if (low > position) bits &= ~uint64_t{0} << (low - position);
  if (high < position + kBlock) bits &= ~uint64_t{0} >> (position + kBlock - high);
  return bits;
}

// Calls visit(index), last to first, for what `mask` finds in text[low, high), until it returns true.
template <class Block, class Code, class Mask, class One, class Visit>
void backwards(const Code* text, int64_t low, int64_t high, Mask mask, One one, Visit visit) {
  while (Block::kVector && high > low && high >= kBlock) {
    const int64_t position = high - kBlock;
    for (uint64_t bits = mask(text + position) & bits_between(position, low, high); bits != 0;) {
      const int bit = 63 - __builtin_clzll(bits);
      if (visit(position + bit)) return;
      bits &= ~(uint64_t{1} << bit);
    }
    high = position;
  }
  for (int64_t i = high - 1; i >= low; --i) {
    if (one(text[i]) && visit(i)) return;
  }
}

template <class Block, class Code>
LineBreaks last_breaks(const Code* text, int64_t floor, int64_t low, int64_t high) {
  LineBreaks found;
  const auto visit = [&](int64_t index) {
    if (found.line < 0) found.line = index;
    if (!ends_empty_line(text, floor, index)) return false;
    found.paragraph = index;
    return true;
  };
  backwards<Block>(
      text, low, high, [](const Code* at) { return Block::equal(at, Code{'\n'}); },
      [](Code code) { return code == '\n'; }, visit);
  return found;
}

template <class Block, class Code>
int64_t last_blank(const Code* text, int64_t low, int64_t high) {
  int64_t found = -1;
  const auto is_blank = [](Code code) { return is_ascii_blank(code) || uint32_t{code} == 0x3000; };
  backwards<Block>(
      text, low, high, [](const Code* at) { return Block::blanks(at); }, is_blank,
      [&](int64_t index) {
        found = index;
        return true;
      });
  return found;
}

template <class Block, class Code>
int64_t first_line_feed(const Code* text, int64_t low, int64_t high) {
  int64_t i = low;
  for (; Block::kVector && i + kBlock <= high; i += kBlock) {
    const uint64_t bits = Block::equal(text + i, Code{'\n'});
    if (bits != 0) return i + __builtin_ctzll(bits);
  }
  for (; i < high; ++i) {
    if (text[i] == '\n') return i;
  }
  return high;
}

template <class Block, class Code>
void sentence_marks(const Code* text, int64_t low, int64_t high, uint64_t* marks) {
  for (; Block::kVector && low + kBlock <= high; low += kBlock) *marks++ = Block::sentence_marks(text + low);
  for (; low < high; low += kBlock) {
    uint64_t bits = 0;
    for (int64_t i = 0; i < kBlock && low + i < high; ++i)
      bits |= uint64_t{may_end_sentence(text[low + i])} << i;
    *marks++ = bits;
  }
}

// Plain arithmetic that the compiler turns into vectors of the file's instruction set.
template <class Code>
int64_t utf8_size_of(const Code* text, int64_t low, int64_t high) {
  int64_t total = high - low;
  for (int64_t i = low; i < high;) {
    const int64_t stop = i + 4096 < high ? i + 4096 : high;
    uint32_t more = 0;
    for (; i < stop; ++i) {
      const uint32_t code = text[i];
      more += (code >= 0x80) + (code >= 0x800) + (code >= 0x10000);
    }
    total += more;
  }
  return total;
}

template <class Block, class Code>
constexpr Kernels<Code> make_kernels() {
  return {last_breaks<Block, Code>, first_line_feed<Block, Code>, last_blank<Block, Code>,
          sentence_marks<Block, Code>, utf8_size_of<Code>};
}

}  // namespace
}  // namespace headrace::text
