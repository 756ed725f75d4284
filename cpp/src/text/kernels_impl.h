#pragma once

// The kernels, written once over a Block: how one instruction set makes masks of 64 code units. Everything is
// in an unnamed namespace, because each including file is compiled for another instruction set: a shared
// inline function could end up with instructions that the processor lacks.
#include <cstdint>

#include "kernels.h"

namespace headrace::text {
namespace {

constexpr int64_t kBlock = 64;

template <class Unit>
bool is_ascii_blank(Unit code) {
  return code == ' ' || (code >= 9 && code <= 13);
}

// Does the line feed at `position` end a line that is empty but for blanks?
template <class Unit>
bool ends_empty_line(const Unit* text, int64_t floor, int64_t position) {
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
template <class Block, class Unit, class Mask, class One, class Visit>
void backwards(const Unit* text, int64_t low, int64_t high, Mask mask, One one, Visit visit) {
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

template <class Block, class Unit>
LineBreaks last_breaks(const Unit* text, int64_t floor, int64_t low, int64_t high) {
  LineBreaks found;
  const auto visit = [&](int64_t index) {
    if (found.line < 0) found.line = index;
    if (!ends_empty_line(text, floor, index)) return false;
    found.paragraph = index;
    return true;
  };
  backwards<Block>(
      text, low, high, [](const Unit* at) { return Block::equal(at, Unit{'\n'}); },
      [](Unit code) { return code == '\n'; }, visit);
  return found;
}

template <class Block, class Unit>
int64_t last_blank(const Unit* text, int64_t low, int64_t high) {
  int64_t found = -1;
  const auto is_blank = [](Unit code) { return is_ascii_blank(code) || uint32_t{code} == 0x3000; };
  backwards<Block>(
      text, low, high, [](const Unit* at) { return Block::blanks(at); }, is_blank,
      [&](int64_t index) {
        found = index;
        return true;
      });
  return found;
}

template <class Block, class Unit>
int64_t first_line_feed(const Unit* text, int64_t low, int64_t high) {
  int64_t i = low;
  for (; Block::kVector && i + kBlock <= high; i += kBlock) {
    const uint64_t bits = Block::equal(text + i, Unit{'\n'});
    if (bits != 0) return i + __builtin_ctzll(bits);
  }
  for (; i < high; ++i) {
    if (text[i] == '\n') return i;
  }
  return high;
}

// Plain arithmetic that the compiler turns into vectors of the file's instruction set.
template <class Unit>
int64_t utf8_size_of(const Unit* text, int64_t low, int64_t high) {
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

template <class Block, class Unit>
constexpr Kernels<Unit> make_kernels() {
  return {last_breaks<Block, Unit>, first_line_feed<Block, Unit>, last_blank<Block, Unit>,
          utf8_size_of<Unit>};
}

}  // namespace
}  // namespace headrace::text
