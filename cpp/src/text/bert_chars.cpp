#include "bert_chars.h"

#include "tokenizer_tables.h"

namespace headrace::text {

namespace {

using Codes = std::vector<uint32_t>;
using Mapping = std::unordered_map<uint32_t, Codes>;

Mapping mapping(const uint32_t* flat, int64_t size) {
  Mapping found;
  for (int64_t i = 0; i < size; i += 2 + flat[i + 1])
    found[flat[i]] = Codes(flat + i + 2, flat + i + 2 + flat[i + 1]);
  return found;
}

constexpr uint32_t kFirstSyllable = 0xAC00;
constexpr uint32_t kLastSyllable = 0xD7A3;

// The jamo of a Hangul syllable (The Unicode Standard, 3.12).
Codes jamo(uint32_t syllable) {
  const uint32_t index = syllable - kFirstSyllable;
  Codes found{0x1100 + index / (21 * 28), 0x1161 + index % (21 * 28) / 28};
  if (index % 28 != 0) found.push_back(0x11A7 + index % 28);
  return found;
}

bool is_surrogate(uint32_t code) {
  return code >= 0xD800 && code <= 0xDFFF;
}

const uint32_t* find_combining(uint32_t code) {
  int64_t low = 0;
  for (int64_t high = kCombiningSize / 2; low < high;) {
    const int64_t middle = (low + high) / 2;
    if (kCombining[2 * middle] < code) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low < kCombiningSize / 2 && kCombining[2 * low] == code ? &kCombining[2 * low] : nullptr;
}

// A mark that strip_accents leaves: not of category Mn.
bool is_moving_mark(uint32_t code) {
  return find_combining(code) != nullptr && !(tokenizer_bits(code) & kStrippedMark);
}

// Applies the steps to single code points, as BertNormalizer does to texts.
class Normalizer {
 public:
  explicit Normalizer(const BertSteps& steps)
      : steps_(steps),
        stripped_(mapping(kStripped, kStrippedSize)),
        lowered_(mapping(kLowered, kLoweredSize)) {
    for (const Mapping* each : {&stripped_, &lowered_}) {
      for (const auto& [code, codes] : *each) mapped_[code] = true;
    }
  }

  // Most code points stay what they are: decided without a search.
  bool leaves(uint32_t code) const {
    constexpr uint8_t kChanges =
        kCleanRemoved | kCleanBlank | kChinese | kPunctuation | kTokenBlank | kStrippedMark;
    const bool syllable = code >= kFirstSyllable && code <= kLastSyllable;
    return (tokenizer_bits(code) & kChanges) == 0 && !syllable && !is_surrogate(code) && !mapped_[code];
  }

  // No model ever sees a lone surrogate: what will stand for it is a question mark, or U+FFFD, which has no
  // more tokens than that.
  Codes operator()(uint32_t code) const {
    if (is_surrogate(code)) return {'?'};
    const uint8_t bits = tokenizer_bits(code);
    if (steps_.clean_text && (bits & kCleanRemoved)) return {};
    Codes found{steps_.clean_text && (bits & kCleanBlank) ? uint32_t{' '} : code};
    if (steps_.strip_accents) found = strip(found.front());
    if (steps_.lowercase) found = lower(found);
    if (!is_chinese(code)) return found;
    found.insert(found.begin(), ' ');
    found.push_back(' ');
    return found;
  }

  bool is_chinese(uint32_t code) const {
    return steps_.handle_chinese_chars && (tokenizer_bits(code) & kChinese);
  }

 private:
  Codes strip(uint32_t code) const {
    if (tokenizer_bits(code) & kStrippedMark) return {};
    if (code >= kFirstSyllable && code <= kLastSyllable) return jamo(code);
    const auto found = stripped_.find(code);
    return found == stripped_.end() ? Codes{code} : found->second;
  }

  Codes lower(const Codes& codes) const {
    Codes all;
    for (const uint32_t code : codes) {
      const auto found = lowered_.find(code);
      if (found == lowered_.end()) {
        all.push_back(code);
      } else {
        all.insert(all.end(), found->second.begin(), found->second.end());
      }
    }
    return all;
  }

  BertSteps steps_;
  Mapping stripped_;
  Mapping lowered_;
  std::vector<bool> mapped_ = std::vector<bool>(0x110000);  // by one of them
};

}  // namespace

int BertChars::combining_class(uint32_t code) const {
  const uint32_t* found = find_combining(code);
  return found == nullptr ? 0 : static_cast<int>(found[1]);
}

std::vector<uint32_t> BertChars::moving_parts(uint32_t code) {
  for (int64_t i = 0; i < kStrippedSize; i += 2 + kStripped[i + 1]) {
    if (kStripped[i] == code) return Codes(kStripped + i + 2, kStripped + i + 2 + kStripped[i + 1]);
  }
  return {code};
}

bool BertChars::cleaned_away(uint32_t code) const {
  return steps_.clean_text && (tokenizer_bits(code) & kCleanRemoved) != 0;
}

BertChars::BertChars(const BertSteps& steps, const std::unordered_map<uint32_t, uint16_t>& symbols)
    : steps_(steps), table_(kUnknown) {
  const auto entry = [&symbols](uint32_t code) -> uint32_t {
    const uint8_t bits = tokenizer_bits(code);
    if (bits & kTokenBlank) return kBlank;
    const auto found = symbols.find(code);
    const uint32_t symbol = found == symbols.end() ? uint32_t{kUnknown} : found->second;
    return symbol | (bits & kPunctuation ? kAlone : 0);
  };
  const Normalizer normalize(steps);
  for (uint32_t code = 0; code <= 0x10FFFF; ++code) {
    if (normalize.leaves(code)) {
      if (symbols.contains(code)) table_.set(code, entry(code));
      continue;
    }
    const Codes result = normalize(code);
    std::vector<uint32_t> entries;
    for (const uint32_t each : result) entries.push_back(entry(each));
    if (entries.empty()) {
      table_.set(code, kNothing);
    } else if (entries.size() == 1) {
      table_.set(code, entries.front());
    } else if (entries.size() == 3 && normalize.is_chinese(code)) {
      table_.set(code, entries[1] | kAlone);
    } else {
      table_.set(code, kSeveral | static_cast<uint32_t>(expansions_.size()));
      expansions_.push_back(entries);
    }
  }
  if (!steps.strip_accents) return;
  const auto mark = [this](uint32_t code) { table_.set(code, table_[code] | kMoves); };
  for (int64_t i = 0; i < kCombiningSize; i += 2) {
    if (is_moving_mark(kCombining[i])) mark(kCombining[i]);
  }
  for (int64_t i = 0; i < kStrippedSize; i += 2 + kStripped[i + 1]) {
    if (is_moving_mark(kStripped[i + 1 + kStripped[i + 1]])) mark(kStripped[i]);
  }
}

}  // namespace headrace::text
