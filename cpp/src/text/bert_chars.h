#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "char_table.h"

namespace headrace::text {

/// The steps of a BertNormalizer.
struct BertSteps {
  bool clean_text = true;
  bool handle_chinese_chars = true;
  bool strip_accents = true;
  bool lowercase = true;
};

/// What normalizing and splitting make of each code point, in one table: a symbol of the vocabulary in the
/// lower 16 bits, and flags. A word is a run of plain symbols.
class BertChars {
 public:
  static constexpr uint32_t kAlone = 1u << 16;    ///< a word of its own
  static constexpr uint32_t kBlank = 1u << 17;    ///< parts words
  static constexpr uint32_t kNothing = 1u << 18;  ///< dropped
  static constexpr uint32_t kSeveral = 1u << 19;  ///< several of these: expansion(entry)
  static constexpr uint32_t kAdded = 1u << 20;    ///< an added token may begin here
  static constexpr uint32_t kMoves = 1u << 21;    ///< a mark that stays, and that NFD may reorder
  static constexpr uint16_t kUnknown = 1;         ///< a symbol that the vocabulary doesn't have

  /// `symbols` numbers the characters of the vocabulary from 2 on.
  BertChars(const BertSteps& steps, const std::unordered_map<uint32_t, uint16_t>& symbols);

  uint32_t operator[](uint32_t code) const { return table_[code]; }
  const std::vector<uint32_t>& expansion(uint32_t entry) const { return expansions_[entry & 0xFFFF]; }
  /// The class by which NFD sorts a mark; 0: nothing moves past it.
  int combining_class(uint32_t code) const;
  /// What stays of a character whose decomposition holds a mark with kMoves: itself, or its parts.
  static std::vector<uint32_t> moving_parts(uint32_t code);
  bool cleaned_away(uint32_t code) const;

  void mark_added(uint32_t code) { table_.set(code, table_[code] | kAdded); }

 private:
  BertSteps steps_;
  CharTable table_;
  std::vector<std::vector<uint32_t>> expansions_;
};

}  // namespace headrace::text
