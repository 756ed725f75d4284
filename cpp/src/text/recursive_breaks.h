#pragma once

#include <algorithm>
#include <cstdint>

#include "breaks.h"
#include "lowest_hash.h"
#include "scanner.h"

namespace headrace::text {

/// Paragraphs, then lines, sentences, words.
template <class Code>
class RecursiveBreaks final : public Breaks {
 public:
  explicit RecursiveBreaks(const Scanner<Code>& text, bool stable = false) : text_(text), stable_(stable) {}

  Cut best(const Window& window) const override {
    if (stable_) return stable_best(window);
    const LineBreaks breaks =
        text_.kernels().last_breaks(text_.data(), window.start, window.low, window.high + 1);
    if (breaks.paragraph >= 0) return cut_at(window, breaks.paragraph, Level::kParagraph);
    if (breaks.line >= 0) return cut_at(window, breaks.line, Level::kLine);
    const Cut sentence = last_sentence(window);
    return sentence.level == Level::kHard ? last_word(window) : sentence;
  }

  int64_t overlap_start(int64_t floor, int64_t low, int64_t end) const override {
    // Of lines and sentences only such that leave at least half of the overlap.
    const int64_t half = low + (end - low) / 2;
    const int64_t line =
        text_[low - 1] == '\n' ? low : text_.kernels().first_line_feed(text_.data(), low, half) + 1;
    if (line <= half && text_.skip_blanks(line) < end) return text_.skip_blanks(line);
    for (int64_t i = low; i < half; ++i) {
      if (!text_.sentence_ends(i, floor) || !text_.boundary(i, floor)) continue;
      if (text_.skip_blanks(i) < end) return text_.skip_blanks(i);
    }
    for (int64_t i = low; i < end; ++i) {
      if (is_blank(text_[i - 1]) && !is_blank(text_[i]) && text_.boundary(i, floor)) return i;
    }
    for (int64_t i = low; i < end; ++i) {
      if (text_.boundary(i, floor) && !(is_blank(text_[i]) && text_.blank_alone(i))) return i;
    }
    return end;
  }

 private:
  // Not the last break of the best kind, but the one that the text around it chooses.
  Cut stable_best(const Window& window) const {
    LowestHash<Code> paragraphs(text_);
    LowestHash<Code> lines(text_);
    const auto line_feed = [&](int64_t from) {
      return text_.kernels().first_line_feed(text_.data(), from, window.high + 1);
    };
    for (int64_t i = line_feed(window.low); i <= window.high; i = line_feed(i + 1)) {
      const bool ends_empty_line =
          text_.kernels().last_breaks(text_.data(), window.start, i, i + 1).paragraph == i;
      (ends_empty_line ? paragraphs : lines).offer(i);
    }
    if (paragraphs.position() >= 0) return cut_at(window, paragraphs.position(), Level::kParagraph);
    if (lines.position() >= 0) return cut_at(window, lines.position(), Level::kLine);
    return stable_best_in_line(window);
  }

  Cut stable_best_in_line(const Window& window) const {
    LowestHash<Code> sentences(text_);
    LowestHash<Code> words(text_);
    for (int64_t i = window.low; i <= window.high; ++i) {
      const bool sentence = text_.sentence_ends(i, window.start);
      const bool word = !sentence && sentences.position() < 0 && word_ends(i);
      if ((sentence || word) && text_.boundary(i, window.floor)) (sentence ? sentences : words).offer(i);
    }
    if (sentences.position() >= 0) return cut_at(window, sentences.position(), Level::kSentence);
    if (words.position() >= 0) return cut_at(window, words.position(), Level::kWord);
    return {window.high, window.high, Level::kHard};
  }

  bool word_ends(int64_t position) const {
    return is_blank(text_[position]) || (sizeof(Code) > 1 && ends_clause(text_[position - 1]));
  }

  Cut cut_at(const Window& window, int64_t position, Level level) const {
    return {text_.trim_end(window.start, position), text_.skip_blanks(position), level};
  }

  Cut last_sentence(const Window& window) const {
    for (int64_t i = window.high; i >= window.low; --i) {
      if (text_.sentence_ends(i, window.start) && text_.boundary(i, window.floor)) {
        return cut_at(window, i, Level::kSentence);
      }
    }
    return {window.high, window.high, Level::kHard};
  }

  // The last blank, or the last comma of a script written without blanks if that comes later.
  Cut last_word(const Window& window) const {
    int64_t blank = window.high + 1;
    do blank = text_.kernels().last_blank(text_.data(), window.low, blank);
    while (blank >= 0 && !text_.boundary(blank, window.floor));
    for (int64_t i = window.high; i > std::max(blank, window.low - 1) && sizeof(Code) > 1; --i) {
      if (ends_clause(text_[i - 1]) && text_.boundary(i, window.floor))
        return cut_at(window, i, Level::kWord);
    }
    if (blank >= 0) return cut_at(window, blank, Level::kWord);
    return {window.high, window.high, Level::kHard};
  }

  const Scanner<Code>& text_;
  bool stable_;
};

}  // namespace headrace::text
