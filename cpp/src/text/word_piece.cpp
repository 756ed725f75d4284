#include "word_piece.h"

#include <algorithm>
#include <limits>
#include <set>
#include <utility>

#include "headrace/base/error.h"
#include "utf8.h"

namespace headrace::text {

namespace {

using Symbols = Trie::Symbols;
using SymbolMap = std::unordered_map<uint32_t, uint16_t>;

constexpr uint16_t kContinues = 0;  // stands for the prefix of pieces that continue a word
constexpr uint16_t kFirstSymbol = 2;

std::vector<uint32_t> code_points(const std::string& utf8) {
  const DecodedText text(utf8);
  std::vector<uint32_t> codes;
  for (int64_t i = 0; i < text.view().size(); ++i) codes.push_back(text.view()[i]);
  return codes;
}

// In the order of the code points: letters that follow each other lie side by side in the trie.
SymbolMap number_symbols(const WordPieceModel& model) {
  std::set<uint32_t> codes;
  for (const auto& [token, id] : model.vocabulary) {
    for (const uint32_t code : code_points(token)) codes.insert(code);
  }
  if (codes.size() + kFirstSymbol > 0xFFFF) {
    throw ConfigurationError("the WordPiece vocabulary has more than 65,533 different characters");
  }
  SymbolMap symbols;
  for (const uint32_t code : codes) symbols[code] = static_cast<uint16_t>(symbols.size() + kFirstSymbol);
  return symbols;
}

std::vector<std::pair<Symbols, int32_t>> pieces(const WordPieceModel& model, const SymbolMap& symbols) {
  std::vector<std::pair<Symbols, int32_t>> found{{{kContinues}, Trie::kNone}};
  for (const auto& [token, id] : model.vocabulary) {
    const bool continues = !model.continuing_prefix.empty() && token.starts_with(model.continuing_prefix);
    const std::string text = continues ? token.substr(model.continuing_prefix.size()) : token;
    if (text.empty()) continue;
    Symbols piece;
    if (continues) piece.push_back(kContinues);
    for (const uint32_t code : code_points(text)) piece.push_back(symbols.at(code));
    found.emplace_back(std::move(piece), id);
  }
  return found;
}

int32_t unknown_id(const WordPieceModel& model) {
  const auto found = model.vocabulary.find(model.unknown);
  if (found != model.vocabulary.end()) return found->second;
  throw ConfigurationError("the WordPiece vocabulary lacks its unknown token '" + model.unknown + "'");
}

}  // namespace

WordPieceTokenizer::WordPieceTokenizer(const WordPieceModel& model)
    : chars_(model.steps, number_symbols(model)),
      trie_(pieces(model, number_symbols(model))),
      continuing_(trie_.next(Trie::root(), kContinues)),
      unknown_(unknown_id(model)),
      max_word_(model.max_word),
      special_tokens_(model.special_tokens),
      added_(model.added) {
  const size_t symbols = number_symbols(model).size() + kFirstSymbol;
  for (size_t symbol = 0; symbol < symbols; ++symbol) {
    const int32_t node =
        symbol < kFirstSymbol ? Trie::kNone : trie_.next(Trie::root(), static_cast<uint16_t>(symbol));
    const int32_t id = node == Trie::kNone ? Trie::kNone : trie_.value(node);
    alone_.push_back(id == Trie::kNone ? unknown_ : id);
  }
  for (const AddedTokens::Token& token : added_.all()) chars_.mark_added(token.content.front());
}

/// One pass over one text.
template <class Code>
class WordPieceRun {
 public:
  using Word = WordPieceTokenizer::Word;

  WordPieceRun(const WordPieceTokenizer& tokenizer, const Code* text, int64_t size,
               WordPieceTokenizer::Cache& cache, TokenList& out)
      : tokenizer_(tokenizer), text_(text), size_(size), cache_(cache), out_(out) {
    const auto room = static_cast<size_t>(std::max<int64_t>(tokenizer.max_word_, Word::kLongest)) + 1;
    symbols_.resize(room);
    starts_.resize(room);
    const int64_t likely = size / kLikelyLength;
    out.ids.room(likely);
    out.spans.room(likely);
    out.begins.room(likely);
  }

  void run() {
    for (int64_t i = 0; i < size_;) {
      i = letters(i);
      if (i == size_) break;
      const uint32_t entry = tokenizer_.chars_[text_[i]];
      if (entry == BertChars::kBlank) {
        flush();
        ++i;
      } else {
        i = entry < BertChars::kAlone ? add(entry, i) : special(entry, i) + 1;
      }
    }
    flush();
  }

 private:
  // The plain characters from `position` on, as many as a known word may have; where they end.
  int64_t letters(int64_t position) {
    const BertChars& chars = tokenizer_.chars_;
    const int64_t room = static_cast<int64_t>(symbols_.size()) - length_;
    if (room <= 0) return position;
    const int64_t stop = std::min(size_, position + room);
    uint16_t* symbols = symbols_.data() + length_;
    int32_t* starts = starts_.data() + length_;
    int64_t i = position;
    uint64_t hash = hash_;
    for (; i < stop; ++i) {
      const uint32_t entry = chars[text_[i]];
      if (entry >= BertChars::kAlone) break;
      symbols[i - position] = static_cast<uint16_t>(entry);
      starts[i - position] = static_cast<int32_t>(i);
      hash = mixed(hash, entry);
    }
    hash_ = hash;
    if (i > position) last_ = static_cast<int32_t>(i - 1);
    length_ += i - position;
    return i;
  }

  // A character of the current word; the position behind it. What is beyond the longest word is counted only.
  int64_t add(uint32_t symbol, int64_t position) {
    last_ = static_cast<int32_t>(position);
    if (length_ <= tokenizer_.max_word_) {
      symbols_[static_cast<size_t>(length_)] = static_cast<uint16_t>(symbol);
      starts_[static_cast<size_t>(length_)] = last_;
    }
    hash_ = mixed(hash_, symbol);
    ++length_;
    return position + 1;
  }

  // Anything but a plain character; answers the last position that it took.
  int64_t special(uint32_t entry, int64_t position) {
    if (entry & BertChars::kAdded) {
      const AddedTokens::Match match = tokenizer_.added_.find(text_, size_, position, segment_);
      if (match.token != nullptr) {
        flush();
        put(match.token->id, static_cast<int32_t>(match.start), static_cast<int32_t>(match.end), 1);
        segment_ = match.end;
        return match.end - 1;
      }
      entry &= ~BertChars::kAdded;
    }
    if (entry & BertChars::kMoves) return marks(position);
    if (entry & BertChars::kSeveral) {
      for (const uint32_t each : tokenizer_.chars_.expansion(entry)) take(each, position);
    } else {
      take(entry, position);
    }
    return position;
  }

  // A run of marks of which some stay: NFD sorts them by class, and they then stand for the characters in
  // whose places they come to stand. Rare: a few Hangul tone marks and musical symbols.
  int64_t marks(int64_t position) {
    struct Mark {
      int rank;
      uint32_t code;
      bool placed;  // takes the place of a character; the second part of one doesn't
    };
    const BertChars& chars = tokenizer_.chars_;
    const auto passes = [&](int64_t i) {
      return chars.combining_class(text_[i]) > 0 || chars.cleaned_away(text_[i]);
    };
    int64_t begin = position;
    if (chars.combining_class(text_[position]) > 0) {
      while (begin > segment_ && passes(begin - 1)) --begin;
    }
    std::vector<Mark> run;
    std::vector<int64_t> places;
    int64_t i = begin;
    for (; i < size_ && (i == begin || passes(i)); ++i) {
      if (chars.cleaned_away(text_[i])) continue;
      places.push_back(i);
      bool placed = true;
      for (const uint32_t part : BertChars::moving_parts(text_[i])) {
        run.push_back({chars.combining_class(part), part, std::exchange(placed, false)});
      }
    }
    const auto by_rank = [](const Mark& a, const Mark& b) { return a.rank < b.rank; };
    if (!std::is_sorted(run.begin(), run.end(), by_rank)) {
      std::stable_sort(run.begin(), run.end(), by_rank);
      note_sorted(begin, i);
    }
    auto place = places.begin();
    int64_t last = begin;
    for (const Mark& mark : run) {
      if (mark.placed) last = *place++;
      take(chars[mark.code] & ~(BertChars::kMoves | BertChars::kAdded), last);
    }
    return i - 1;
  }

  void take(uint32_t entry, int64_t position) {
    if (entry < BertChars::kAlone) {
      add(entry, position);
      return;
    }
    if (entry & BertChars::kNothing) return;
    flush();
    if (entry & BertChars::kBlank) return;
    const auto at = static_cast<int32_t>(position);
    put(tokenizer_.alone_[entry & 0xFFFF], at, at + 1, 1);
  }

  void put(int32_t id, int32_t start, int32_t end, uint8_t begins) {
    out_.ids.push(id);
    out_.spans.push({start, end});
    out_.begins.push(in_sorted_run(start) ? uint8_t{0} : begins);
  }

  // All such runs that the current word may stand in.
  void note_sorted(int64_t begin, int64_t end) {
    if (length_ == 0) sorted_.clear();
    sorted_.emplace_back(begin, end);
    sorted_begin_ = sorted_.front().first;
    sorted_end_ = end;
  }

  // A cut there would part marks that were sorted together.
  bool in_sorted_run(int64_t position) const {
    if (position <= sorted_begin_ || position >= sorted_end_) return false;
    return std::any_of(sorted_.begin(), sorted_.end(),
                       [&](const auto& run) { return position > run.first && position < run.second; });
  }

  // Ends the current word.
  void flush() {
    if (length_ == 0) return;
    if (length_ == 1) {
      put(tokenizer_.alone_[symbols_[0]], starts_[0], last_ + 1, 1);
    } else if (length_ <= Word::kLongest) {
      cached();
    } else if (length_ <= tokenizer_.max_word_) {
      split();
    } else {
      put(tokenizer_.unknown_, starts_[0], last_ + 1, 1);
    }
    length_ = 0;
    hash_ = 0;
  }

  void cached() {
    const std::array<uint16_t, Word::kLongest> key = word_key();
    Word& word = cache_[hash_ >> (64 - WordPieceTokenizer::kCacheBits)];
    if (!same(word.symbols, key)) {
      const int64_t first = out_.ids.size();
      ends_.clear();
      split();
      remember(key, first, word);
      return;
    }
    copy(word);
  }

  // All that a word may have is written, which costs less than asking how much it has.
  void copy(const Word& word) {
    static constexpr uint8_t kBegins[Word::kPieces] = {1};
    const int32_t* starts = starts_.data();
    TokenSpan* spans = out_.spans.room(Word::kPieces);
    std::memcpy(out_.ids.room(Word::kPieces), word.ids.data(), sizeof(word.ids));
    uint8_t* begins = out_.begins.room(Word::kPieces);
    std::memcpy(begins, kBegins, sizeof(kBegins));
    if (in_sorted_run(starts[0])) begins[0] = 0;
    int begin = 0;
    int i = 0;
    do {
      const int end = word.ends[static_cast<size_t>(i)];
      spans[i] = {starts[begin], starts[end - 1] + 1};
      begin = end;
    } while (++i < word.count);
    out_.ids.add(word.count);
    out_.spans.add(word.count);
    out_.begins.add(word.count);
  }

  // The word's symbols, and 0 behind them.
  std::array<uint16_t, Word::kLongest> word_key() const {
    std::array<uint16_t, Word::kLongest> key;
    const uint16_t* mask = kMask.data() + Word::kLongest - length_;
    for (size_t i = 0; i < key.size(); ++i) key[i] = symbols_[i] & mask[i];
    return key;
  }

  static bool same(const std::array<uint16_t, Word::kLongest>& a,
                   const std::array<uint16_t, Word::kLongest>& b) {
    uint64_t left[4];
    uint64_t right[4];
    std::memcpy(left, a.data(), sizeof(left));
    std::memcpy(right, b.data(), sizeof(right));
    return ((left[0] ^ right[0]) | (left[1] ^ right[1]) | (left[2] ^ right[2]) | (left[3] ^ right[3])) == 0;
  }

  // Of the word's symbols so far: ready when the last of them is, which the symbols in memory are not.
  static uint64_t mixed(uint64_t hash, uint32_t symbol) { return (hash ^ symbol) * 0x9E3779B97F4A7C15u; }

  void remember(const std::array<uint16_t, Word::kLongest>& key, int64_t first, Word& word) {
    const int64_t count = out_.ids.size() - first;
    if (count > Word::kPieces) return;
    word.symbols = key;
    word.count = static_cast<uint8_t>(count);
    for (int64_t i = 0; i < count; ++i) {
      word.ids[static_cast<size_t>(i)] = out_.ids[first + i];
      word.ends[static_cast<size_t>(i)] = ends_[static_cast<size_t>(i)];
    }
  }

  // The longest known piece, again and again; if nothing fits somewhere, the whole word is unknown.
  void split() {
    const int64_t first = out_.ids.size();
    int32_t node = Trie::root();
    for (int64_t begin = 0; begin < length_;) {
      int64_t end = begin;
      int32_t id = Trie::kNone;
      for (int64_t i = begin; i < length_; ++i) {
        node = tokenizer_.trie_.next(node, symbols_[static_cast<size_t>(i)]);
        if (node == Trie::kNone) break;
        if (tokenizer_.trie_.value(node) == Trie::kNone) continue;
        id = tokenizer_.trie_.value(node);
        end = i + 1;
      }
      if (id == Trie::kNone) return unknown(first);
      put(id, starts_[static_cast<size_t>(begin)], starts_[static_cast<size_t>(end - 1)] + 1, begin == 0);
      ends_.push_back(static_cast<uint8_t>(end));
      begin = end;
      node = tokenizer_.continuing_;
    }
  }

  void unknown(int64_t first) {
    const int64_t added = out_.ids.size() - first;
    out_.ids.add(-added);
    out_.spans.add(-added);
    out_.begins.add(-added);
    put(tokenizer_.unknown_, starts_[0], last_ + 1, 1);
    ends_.assign(1, static_cast<uint8_t>(length_));
  }

  static constexpr int64_t kLikelyLength =
      3;  // characters a token; there is more room where they are shorter
  static constexpr std::array<uint16_t, size_t{2} * Word::kLongest> kMask = [] {
    std::array<uint16_t, size_t{2} * Word::kLongest> mask{};
    std::fill_n(mask.begin(), Word::kLongest, uint16_t{0xFFFF});
    return mask;
  }();

  const WordPieceTokenizer& tokenizer_;
  const Code* text_;
  int64_t size_;
  WordPieceTokenizer::Cache& cache_;
  TokenList& out_;
  std::vector<uint16_t> symbols_;  // of the current word
  std::vector<int32_t> starts_;    // position of the character that each symbol came from
  std::vector<uint8_t> ends_;      // of the pieces, in symbols
  int64_t segment_ = 0;            // where the text behind the last added token begins
  int64_t length_ = 0;
  uint64_t hash_ = 0;  // of the current word
  // Runs of marks that NFD put into another order: the last ones, and where they begin and end together.
  std::vector<std::pair<int64_t, int64_t>> sorted_;
  int64_t sorted_begin_ = 0;
  int64_t sorted_end_ = 0;
  int32_t last_ = 0;  // position of the word's last character
};

void WordPieceTokenizer::encode(TextView text, TokenList& out) const {
  if (text.size() > std::numeric_limits<int32_t>::max()) {
    throw ConfigurationError(
        "a text of more than 2,147,483,647 characters can't be tokenized: chunk it by chars first");
  }
  auto scratch = scratch_.borrow();
  text.visit([&]<class Code>(const Code* data) {
    WordPieceRun<Code>(*this, data, text.size(), (*scratch).cache, out).run();
  });
}

}  // namespace headrace::text
