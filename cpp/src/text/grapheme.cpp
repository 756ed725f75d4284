#include "headrace/text/grapheme.h"

#include "unicode.h"

namespace headrace::text {

namespace {

bool is_control(Grapheme value) {
  return value == Grapheme::kControl || value == Grapheme::kCr || value == Grapheme::kLf;
}

// GB6 to GB8: a Hangul syllable.
bool joins_hangul(Grapheme before, Grapheme after) {
  switch (before) {
    case Grapheme::kL:
      return after == Grapheme::kL || after == Grapheme::kV || after == Grapheme::kLv ||
             after == Grapheme::kLvt;
    case Grapheme::kLv:
    case Grapheme::kV:
      return after == Grapheme::kV || after == Grapheme::kT;
    case Grapheme::kLvt:
    case Grapheme::kT:
      return after == Grapheme::kT;
    default:
      return false;
  }
}

// GB9c: consonant, then marks of which one is a linker, then the consonant at `position`.
template <class Code>
bool joins_conjunct(const Code* text, int64_t position, int64_t floor) {
  bool linked = false;
  for (int64_t i = position - 1; i >= floor; --i) {
    const uint8_t bits = grapheme_bits(text[i]);
    if ((bits & 0x0F) == static_cast<uint8_t>(Grapheme::kConsonant)) return linked;
    if (!(bits & (kConjunctLinker | kConjunctExtend))) return false;
    linked = linked || (bits & kConjunctLinker) != 0;
  }
  return false;
}

// GB11: pictographic, marks, the joiner at position - 1, then the pictographic at `position`.
template <class Code>
bool joins_emoji(const Code* text, int64_t position, int64_t floor) {
  for (int64_t i = position - 2; i >= floor; --i) {
    const Grapheme value = grapheme_class(text[i]);
    if (value == Grapheme::kPictographic) return true;
    if (value != Grapheme::kExtend) return false;
  }
  return false;
}

// GB12, GB13: flags are pairs, counted from where the run of regional indicators begins.
template <class Code>
bool joins_flag(const Code* text, int64_t position, int64_t floor) {
  int64_t i = position;
  while (i > floor && grapheme_class(text[i - 1]) == Grapheme::kRegional) --i;
  return (position - i) % 2 == 1;
}

template <class Code>
bool joins(const Code* text, int64_t position, int64_t floor) {
  const Grapheme before = grapheme_class(text[position - 1]);
  const Grapheme after = grapheme_class(text[position]);
  if (before == Grapheme::kCr && after == Grapheme::kLf) return true;
  if (is_control(before) || is_control(after)) return false;
  if (after == Grapheme::kExtend || after == Grapheme::kZwj || after == Grapheme::kSpacingMark) return true;
  if (before == Grapheme::kPrepend) return true;
  if (after == Grapheme::kConsonant) return joins_conjunct(text, position, floor);
  if (after == Grapheme::kPictographic) return before == Grapheme::kZwj && joins_emoji(text, position, floor);
  if (after == Grapheme::kRegional) return before == Grapheme::kRegional && joins_flag(text, position, floor);
  return joins_hangul(before, after);
}

}  // namespace

template <class Code>
bool is_grapheme_boundary(const Code* text, int64_t size, int64_t position, int64_t floor) {
  if (position <= floor || position >= size) return true;
  const uint32_t before = text[position - 1];
  const uint32_t after = text[position];
  if (before < kFirstExtend && after < kFirstExtend) return before != '\r' || after != '\n';
  return !joins(text, position, floor);
}

template bool is_grapheme_boundary(const uint8_t*, int64_t, int64_t, int64_t);
template bool is_grapheme_boundary(const uint16_t*, int64_t, int64_t, int64_t);
template bool is_grapheme_boundary(const uint32_t*, int64_t, int64_t, int64_t);

std::vector<int64_t> grapheme_boundaries(TextView text) {
  std::vector<int64_t> found;
  text.visit([&](const auto* data) {
    int64_t last = 0;
    for (int64_t i = 0; i <= text.size() && text.size() > 0; ++i) {
      if (!is_grapheme_boundary(data, text.size(), i, last)) continue;
      found.push_back(i);
      last = i;
    }
  });
  return found;
}

}  // namespace headrace::text
