#include "headrace/embed/words.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <iterator>

#include "utf8.h"

namespace headrace::embed {
namespace {

struct Range {
  int32_t first;
  int32_t last;
};

template <size_t N>
bool in_ranges(const Range (&ranges)[N], int32_t c) {
  const auto* range = std::lower_bound(std::begin(ranges), std::end(ranges), c,
                                       [](const Range& r, int32_t value) { return r.last < value; });
  return range != std::end(ranges) && range->first <= c;
}

// Scripts written without blanks between words; Hangul is not among them.
constexpr Range kUnspaced[] = {
    {0x0E00, 0x0EFF}, {0x1000, 0x109F}, {0x1780, 0x17FF}, {0x2E80, 0x2FDF},   {0x3005, 0x3007},
    {0x3021, 0x3029}, {0x3031, 0x3035}, {0x3038, 0x303C}, {0x3041, 0x30FF},   {0x31F0, 0x31FF},
    {0x3400, 0x4DBF}, {0x4E00, 0x9FFF}, {0xF900, 0xFAFF}, {0x1B000, 0x1B16F}, {0x20000, 0x3FFFD},
};
// Accents that carry no meaning for matching. Marks of Indic and other scripts stay: there they are vowels.
constexpr Range kAccents[] = {{0x0300, 0x036F}, {0x0591, 0x05C7}, {0x0610, 0x061A},
                              {0x064B, 0x065F}, {0x0670, 0x0670}, {0xFE00, 0xFE0F}};

bool is_word_character(int32_t c) {
  if (c < 0x80) return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
  switch (utf8proc_category(c)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
    case UTF8PROC_CATEGORY_SO:
      return c != 0xFFFD;
    default:
      return false;
  }
}

// One character resolved for matching: what it decomposes to, without accents and separators.
struct Folded {
  std::array<int32_t, 18> parts{};  // the longest compatibility decomposition has 18 characters
  int count = 0;
  bool separates = false;
};

Folded fold(int32_t c) {
  constexpr auto kOptions =
      static_cast<utf8proc_option_t>(UTF8PROC_COMPAT | UTF8PROC_DECOMPOSE | UTF8PROC_CASEFOLD);
  Folded folded;
  std::array<utf8proc_int32_t, 32> parts{};
  int boundary = 0;
  const auto count = utf8proc_decompose_char(c, parts.data(), parts.size(), kOptions, &boundary);
  if (count < 1) folded.separates = true;
  for (utf8proc_ssize_t i = 0; i < std::min<utf8proc_ssize_t>(count, folded.parts.size()); ++i) {
    const int32_t part = parts[static_cast<size_t>(i)];
    if (in_ranges(kAccents, part)) continue;
    if (!is_word_character(part)) {
      folded.separates = true;
      continue;
    }
    folded.parts[static_cast<size_t>(folded.count++)] = part;
  }
  return folded;
}

constexpr int32_t kTabled = 0x590;  // Latin, Greek, Cyrillic, Armenian: the alphabets worth a table

const Folded& tabled_fold(int32_t c) {
  static const std::vector<Folded> table = [] {
    std::vector<Folded> rows(kTabled);
    for (int32_t i = 0; i < kTabled; ++i) rows[static_cast<size_t>(i)] = fold(i);
    return rows;
  }();
  return table[static_cast<size_t>(c)];
}

// Han and Hangul have no case; kana would lose nothing but its unity (a voiced sign decomposes).
bool folds_to_itself(int32_t c) {
  return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0xAC00 && c <= 0xD7A3) || (c >= 0x3041 && c <= 0x3096) ||
         (c >= 0x30A1 && c <= 0x30FA);
}

bool is_unspaced(int32_t c) {
  return c >= kUnspaced[0].first && in_ranges(kUnspaced, c);
}

}  // namespace

void WordList::read(std::string_view text) {
  folded_.clear();
  words_.clear();
  word_start_ = 0;
  run_start_ = -1;
  run_length_ = 0;
  for (size_t position = 0; position < text.size();) add_character(next_code_point(text, position));
  end_run();
  end_word();
}

void WordList::add_character(int32_t c) {
  if (folds_to_itself(c)) return add_folded(c);
  const Folded& folded = c < kTabled ? tabled_fold(c) : fold(c);
  for (int i = 0; i < folded.count; ++i) add_folded(folded.parts[static_cast<size_t>(i)]);
  if (folded.separates) {
    end_run();
    end_word();
  }
}

void WordList::add_folded(int32_t c) {
  if (is_unspaced(c)) {
    end_word();
    return add_unspaced(c);
  }
  end_run();
  append_utf8(folded_, c);
}

// Every pair of neighbours is a word; a character that stands alone is one by itself (end_run).
void WordList::add_unspaced(int32_t c) {
  const auto start = static_cast<int64_t>(folded_.size());
  append_utf8(folded_, c);
  word_start_ = static_cast<int64_t>(folded_.size());
  if (run_start_ >= 0) words_.push_back({run_start_, word_start_ - run_start_, true});
  run_start_ = start;
  ++run_length_;
}

void WordList::end_run() {
  if (run_length_ == 1) words_.push_back({run_start_, word_start_ - run_start_, true});
  run_start_ = -1;
  run_length_ = 0;
}

void WordList::end_word() {
  const auto end = static_cast<int64_t>(folded_.size());
  if (end > word_start_) words_.push_back({word_start_, end - word_start_, false});
  word_start_ = end;
}

std::string_view take_piece(std::string_view& rest) {
  constexpr size_t kLongest = size_t{1} << 20;
  size_t length = rest.size();
  if (length > kLongest) {
    const size_t blank = rest.substr(0, kLongest).find_last_of(" \n\r\t");
    length = blank != std::string_view::npos ? blank + 1 : kLongest;
    while (blank == std::string_view::npos && length > kLongest - 4 && !starts_character(rest[length]))
      --length;
  }
  const std::string_view piece = rest.substr(0, length);
  rest.remove_prefix(length);
  return piece;
}

std::string word_tables_version() {
  return utf8proc_unicode_version();
}

}  // namespace headrace::embed
