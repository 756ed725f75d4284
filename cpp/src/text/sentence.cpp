#include "headrace/text/sentence.h"

#include <algorithm>

#include "abbreviations.h"
#include "kernels.h"
#include "unicode.h"

namespace headrace::text {

namespace {

using Class = SentenceClass;

// Boundaries come only after a paragraph separator (SB4) and after a terminator with what belongs to it
// (SB11), so the text is searched for those, and the other rules are asked there only.
template <class Code>
class Sentences {
 public:
  Sentences(const Code* text, int64_t size, SentenceOptions options)
      : text_(text), size_(size), options_(options) {}

  void find(std::vector<int64_t>& out) {
    if (size_ == 0) return;
    const Kernels<Code>& set = kernels<Code>(best_simd());
    if (out.empty()) out.reserve(static_cast<size_t>(size_ / kLikelyLength) + 2);
    out.push_back(0);
    int64_t last = 0;
    uint64_t marks[kStrip / 64];
    for (int64_t strip = 0; strip < size_; strip += kStrip) {
      const int64_t stop = std::min(strip + kStrip, size_);
      fetch(stop, std::min(stop + kStrip, size_));
      set.sentence_marks(text_, strip, stop, marks);
      for (int64_t word = 0; word * 64 < stop - strip; ++word) {
        for (uint64_t bits = marks[word]; bits != 0; bits &= bits - 1) {
          const int64_t at = strip + word * 64 + __builtin_ctzll(bits);
          if (at < last) continue;
          const int64_t boundary = boundary_after(at);
          if (boundary < 0 || boundary >= size_) continue;
          out.push_back(boundary);
          last = boundary;
        }
      }
    }
    out.push_back(size_);
  }

 private:
  static constexpr int64_t kStrip = 512;  // the next one is fetched while this one is read
  static constexpr int64_t kUnusual = -2;
  static constexpr int64_t kLikelyLength =
      24;  // characters a sentence; there is more room where they are shorter

  // Asks for memory: over many short texts it is what the search waits for.
  void fetch(int64_t from, int64_t to) const {
    constexpr auto kLine = static_cast<int64_t>(64 / sizeof(Code));
    for (int64_t i = from; i < to; i += kLine) __builtin_prefetch(text_ + i);
  }

  // The boundary that the mark at `at` brings about, -1 where it does none.
  int64_t boundary_after(int64_t at) const {
    if (text_[at] == '\n') return options_.wrapped && is_single(at) ? -1 : at + 1;
    if (text_[at] == '.' && at + 2 < size_) {
      const int64_t usual = after_usual_stop(at);
      if (usual != kUnusual) return usual;
    }
    switch (sentence_class(text_[at])) {
      case Class::kCr:
        if (options_.wrapped && is_single(at)) return -1;
        return after_separator(at);
      case Class::kLf:
      case Class::kSep:
        return at + 1;
      case Class::kATerm:
        return after_terminator(at, true);
      case Class::kSTerm:
        return after_terminator(at, false);
      default:
        return -1;
    }
  }

  // What nine of ten full stops come to, as after_terminator() would find: inside a word or a number, at the
  // end of a line, before a blank and a capital letter of ASCII.
  int64_t after_usual_stop(int64_t at) const {
    const uint32_t next = text_[at + 1];
    if (next - 'a' < 26 || next - '0' < 10) return -1;
    if (next == '\n') return options_.wrapped ? kUnusual : at + 2;
    const bool capital = uint32_t{text_[at + 2]} - 'A' < 26;
    return next == ' ' && capital && !options_.abbreviations ? at + 2 : kUnusual;
  }

  // SB6 to SB11.
  int64_t after_terminator(int64_t at, bool full_stop) const {
    int64_t next = skip(at + 1);
    Class found = class_at(next);
    if (full_stop && found == Class::kNumeric) return -1;
    if (full_stop && found == Class::kUpper && follows_letter(at)) return -1;
    while (found == Class::kClose) found = class_at(next = skip(next + 1));
    while (found == Class::kSp) found = class_at(next = skip(next + 1));
    if (full_stop && lower_follows(next)) return -1;
    if (found == Class::kSContinue || found == Class::kSTerm || found == Class::kATerm) return -1;
    if (full_stop && options_.abbreviations && !is_separator(found) && abbreviates(at)) return -1;
    return is_separator(found) ? after_separator(next) : next;
  }

  static bool is_separator(Class value) {
    return value == Class::kLf || value == Class::kCr || value == Class::kSep;
  }

  int64_t after_separator(int64_t at) const {
    return text_[at] == '\r' && at + 1 < size_ && text_[at + 1] == '\n' ? at + 2 : at + 1;
  }

  // kOther behind the end: no rule asks for more.
  Class class_at(int64_t at) const {
    if (at >= size_) return Class::kOther;
    const Class found = sentence_class(text_[at]);
    return options_.wrapped && (found == Class::kLf || found == Class::kCr) && is_single(at) ? Class::kSp
                                                                                             : found;
  }

  // SB5: what extends or formats a character belongs to it.
  int64_t skip(int64_t at) const {
    while (at < size_ && is_ignored(text_[at])) ++at;
    return at;
  }

  static bool is_ignored(uint32_t code) {
    if (code < 0xAD) return false;
    const Class found = sentence_class(code);
    return found == Class::kExtend || found == Class::kFormat;
  }

  // SB7: (Upper | Lower) before the full stop.
  bool follows_letter(int64_t at) const {
    do --at;
    while (at >= 0 && is_ignored(text_[at]));
    if (at < 0) return false;
    const Class found = sentence_class(text_[at]);
    return found == Class::kUpper || found == Class::kLower;
  }

  // SB8: the next letter, if it comes before any separator or terminator, is in lower case.
  bool lower_follows(int64_t at) const {
    for (; at < size_; ++at) {
      switch (class_at(at)) {
        case Class::kLower:
          return true;
        case Class::kOLetter:
        case Class::kUpper:
        case Class::kLf:
        case Class::kCr:
        case Class::kSep:
        case Class::kATerm:
        case Class::kSTerm:
          return false;
        default:
          break;
      }
    }
    return false;
  }

  // A line feed (or CR LF, or CR) with text on the line before it and on the line after it.
  bool is_single(int64_t at) const {
    int64_t before = at;
    if (before > 0 && text_[before] == '\n' && text_[before - 1] == '\r') --before;
    while (before > 0 && (text_[before - 1] == ' ' || text_[before - 1] == '\t')) --before;
    if (before == 0 || text_[before - 1] == '\n' || text_[before - 1] == '\r') return false;
    int64_t after = after_separator(at);
    while (after < size_ && (text_[after] == ' ' || text_[after] == '\t')) ++after;
    return after < size_ && text_[after] != '\n' && text_[after] != '\r';
  }

  // The word before the full stop is a known abbreviation or one capital letter.
  bool abbreviates(int64_t at) const {
    char word[kLongestAbbreviation];
    int64_t length = 0;
    for (int64_t i = at - 1; i >= 0; --i) {
      const char letter = plain_letter(text_[i]);
      if (letter == 0) break;
      if (length == kLongestAbbreviation) return false;
      word[length++] = letter;
    }
    if (length == 1 && sentence_class(text_[at - 1]) == Class::kUpper) return true;
    std::reverse(word, word + length);
    return is_abbreviation({word, static_cast<size_t>(length)});
  }

  // The letter in lower case and without its accent (those of Portuguese), 0 for anything else.
  static char plain_letter(uint32_t code) {
    if (code >= 'a' && code <= 'z') return static_cast<char>(code);
    if (code >= 'A' && code <= 'Z') return static_cast<char>(code + 'a' - 'A');
    if (code < 0xC0 || code > 0xFF) return code == 0xAA ? 'a' : code == 0xBA ? 'o' : '\0';
    static constexpr char kPlain[] = "aaaaaaaceeeeiiiidnooooo-ouuuuyts";
    const char letter = kPlain[(code - 0xC0) & 0x1F];
    return letter == '-' ? '\0' : letter;
  }

  const Code* text_;
  int64_t size_;
  SentenceOptions options_;
};

}  // namespace

void sentence_boundaries(TextView text, SentenceOptions options, std::vector<int64_t>& out) {
  text.visit([&]<class Code>(const Code* data) { Sentences<Code>(data, text.size(), options).find(out); });
}

std::vector<int64_t> sentence_boundaries(TextView text, SentenceOptions options) {
  std::vector<int64_t> found;
  sentence_boundaries(text, options, found);
  return found;
}

}  // namespace headrace::text
