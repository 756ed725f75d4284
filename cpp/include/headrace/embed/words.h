#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace headrace::embed {

/// One word inside WordList::folded(): byte range, and whether it is a piece of a script that is written
/// without blanks (Han, kana, Thai, Lao, Khmer, Myanmar), where "word" means one or two characters.
struct Word {
  int64_t start = 0;
  int64_t length = 0;
  bool unspaced = false;
};

/// The words of a text, folded for matching: case folded, compatibility forms resolved (NFKD), Latin, Greek,
/// Cyrillic, Hebrew and Arabic accents taken off; letters, digits, marks and symbols (emoji) make words, the
/// rest separates them. Runs of unspaced scripts give overlapping pairs of characters. Invalid UTF-8
/// separates. Reuse one object for many texts: it keeps its buffers. Not thread-safe; one a thread.
class WordList {
 public:
  /// Replaces the list by the words of `text` (UTF-8).
  void read(std::string_view text);

  int64_t size() const noexcept { return static_cast<int64_t>(words_.size()); }
  const Word& operator[](int64_t i) const noexcept { return words_[static_cast<size_t>(i)]; }
  std::string_view text(int64_t i) const noexcept {
    const Word& word = words_[static_cast<size_t>(i)];
    return std::string_view(folded_).substr(static_cast<size_t>(word.start),
                                            static_cast<size_t>(word.length));
  }

 private:
  void add_character(int32_t code_point);
  void add_folded(int32_t code_point);
  void add_unspaced(int32_t code_point);
  void end_word();
  void end_run();

  std::string folded_;
  std::vector<Word> words_;
  int64_t word_start_ = 0;
  int64_t run_start_ = -1;  // start of the last character of a run of an unspaced script, -1 outside one
  int64_t run_length_ = 0;  // characters in that run so far
};

/// Takes the next piece of at most 1 MiB off `rest`, at a blank where there is one, else between characters:
/// so that reading a text of any length needs bounded memory. Empty when `rest` is.
std::string_view take_piece(std::string_view& rest);

/// Version of the Unicode tables that folding uses, for instance "14.0.0": part of every model id.
std::string word_tables_version();

}  // namespace headrace::embed
