#include "byte_pair.h"

#include <algorithm>
#include <limits>
#include <queue>

#include "headrace/base/error.h"
#include "unicode.h"
#include "utf8.h"

namespace headrace::text {

namespace {

// Byte-level models write each byte as a character that can be seen: those that can stay what they are, the
// others come from U+0100 on in their order.
std::array<uint32_t, 256> chars_of_bytes() {
  std::array<uint32_t, 256> chars{};
  uint32_t next = 0x100;
  for (uint32_t byte = 0; byte < 256; ++byte) {
    const bool seen = (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
    chars[byte] = seen ? byte : next++;
  }
  return chars;
}

void append_utf8(uint32_t code, std::string& out) {
  const int size = utf8_size(code);
  if (size == 1) {
    out.push_back(static_cast<char>(code));
    return;
  }
  out.push_back(static_cast<char>((0xF00 >> size & 0xFF) | code >> 6 * (size - 1)));
  for (int i = size - 2; i >= 0; --i) out.push_back(static_cast<char>(0x80 | (code >> 6 * i & 0x3F)));
}

std::array<int32_t, 256> byte_ids(const BytePairModel& model) {
  std::array<int32_t, 256> ids{};
  const std::array<uint32_t, 256> chars = chars_of_bytes();
  for (size_t byte = 0; byte < 256; ++byte) {
    std::string name;
    append_utf8(chars[byte], name);
    const auto found = model.vocabulary.find(name);
    if (found == model.vocabulary.end()) {
      throw ConfigurationError("the native tokenizers don't know BPE whose vocabulary lacks a byte (" +
                               std::to_string(byte) + "): use the tokenizers package");
    }
    ids[byte] = found->second;
  }
  return ids;
}

std::vector<MergeTable::Merge> merges_of(const BytePairModel& model) {
  std::vector<MergeTable::Merge> found;
  const auto id = [&](const std::string& token) {
    const auto entry = model.vocabulary.find(token);
    if (entry == model.vocabulary.end()) {
      throw ConfigurationError("not a tokenizer.json: a merge needs the token '" + token +
                               "', which has no id");
    }
    return entry->second;
  };
  for (const auto& [left, right] : model.merges) {
    found.push_back({id(left), id(right), static_cast<int32_t>(found.size()), id(left + right)});
  }
  return found;
}

// The vocabulary by the bytes that its tokens stand for, where a word may be one of them.
std::unordered_map<std::string, int32_t> whole_words(const BytePairModel& model) {
  std::unordered_map<std::string, int32_t> words;
  if (!model.ignore_merges) return words;
  std::unordered_map<uint32_t, char> bytes;
  const std::array<uint32_t, 256> chars = chars_of_bytes();
  for (size_t byte = 0; byte < 256; ++byte) bytes[chars[byte]] = static_cast<char>(byte);
  for (const auto& [token, id] : model.vocabulary) {
    const DecodedText text(token);
    std::string raw;
    for (int64_t i = 0; i < text.view().size() && bytes.contains(text.view()[i]); ++i)
      raw.push_back(bytes[text.view()[i]]);
    if (static_cast<int64_t>(raw.size()) == text.view().size()) words[raw] = id;
  }
  return words;
}

}  // namespace

BytePairTokenizer::BytePairTokenizer(const BytePairModel& model)
    : bytes_(byte_ids(model)),
      merges_(merges_of(model)),
      whole_(whole_words(model)),
      split_(model.split),
      prefix_space_(model.prefix_space),
      trims_offsets_(model.trims_offsets),
      trims_after_prefix_(model.trims_after_prefix),
      added_(model.added),
      special_tokens_(model.special_tokens) {}

/// One pass over one text.
template <class Code>
class BytePairRun {
 public:
  using Word = BytePairTokenizer::Word;

  BytePairRun(const BytePairTokenizer& tokenizer, const Code* text, int64_t size,
              BytePairTokenizer::Scratch& scratch, TokenList& out)
      : tokenizer_(tokenizer),
        text_(text),
        size_(size),
        cache_(scratch.cache),
        out_(out),
        first_(out.ids.size()) {}

  void run() {
    int64_t begin = 0;
    for (int64_t i = 0; i < size_; ++i) {
      if (!tokenizer_.added_.may_begin(text_[i])) continue;
      const AddedTokens::Match match = tokenizer_.added_.find(text_, size_, i, begin);
      if (match.token == nullptr) continue;
      segment(begin, match.start);
      put(match.token->id, match.start, match.end, true);
      begin = match.end;
      i = match.end - 1;
    }
    segment(begin, size_);
  }

 private:
  // What lies between added tokens. A blank put before it stands for its first character, like that itself.
  void segment(int64_t begin, int64_t end) {
    if (!tokenizer_.prefix_space_ || begin == end || text_[begin] == ' ')
      return words(text_ + begin, end - begin, begin, 0);
    std::vector<Code> copy{' '};
    copy.insert(copy.end(), text_ + begin, text_ + end);
    words(copy.data(), static_cast<int64_t>(copy.size()), begin, 1);
  }

  // `origin`: position of the first character, before which `added` ones were put.
  void words(const Code* text, int64_t size, int64_t origin, int64_t added) {
    const WordEnd<Code> word_end(text, size, tokenizer_.split_);
    for (int64_t begin = 0; begin < size;) {
      const int64_t end = word_end(begin);
      bytes_.clear();
      places_.clear();
      for (int64_t i = begin; i < end; ++i) {
        append_utf8(is_surrogate(text[i]) ? uint32_t{'?'} : uint32_t{text[i]}, bytes_);
        places_.resize(bytes_.size(), origin + std::max<int64_t>(i - added, 0));
      }
      if (static_cast<int64_t>(bytes_.size()) > Word::kLongest) {
        merge();
      } else {
        cached();
      }
      write();
      begin = end;
    }
  }

  static bool is_surrogate(uint32_t code) { return code >= 0xD800 && code <= 0xDFFF; }

  // The ids and ends of the current word, out of the cache if it has them.
  void cached() {
    std::array<uint8_t, Word::kLongest> key{};
    std::memcpy(key.data(), bytes_.data(), std::min(bytes_.size(), key.size()));
    Word& word = cache_[hash(key) & (cache_.size() - 1)];
    const auto length = static_cast<uint8_t>(bytes_.size());
    if (word.length == length && word.bytes == key) {
      ids_.assign(word.ids.begin(), word.ids.begin() + word.count);
      ends_.assign(word.ends.begin(), word.ends.begin() + word.count);
      return;
    }
    merge();
    if (ids_.size() > Word::kPieces) return;
    word.bytes = key;
    word.length = length;
    word.count = static_cast<uint8_t>(ids_.size());
    for (size_t i = 0; i < ids_.size(); ++i) {
      word.ids[i] = ids_[i];
      word.ends[i] = static_cast<uint8_t>(ends_[i]);
    }
  }

  static size_t hash(const std::array<uint8_t, Word::kLongest>& key) {
    uint64_t parts[3];
    std::memcpy(parts, key.data(), sizeof(parts));
    const uint64_t mixed =
        ((parts[0] ^ parts[2] * 0x9E3779B97F4A7C15u) * 0xD6E8FEB86659FD93u) ^ parts[1] * 0xFF51AFD7ED558CCDu;
    return static_cast<size_t>(mixed ^ mixed >> 31);
  }

  // A pair that may merge, at the place of its left token.
  struct Candidate {
    int32_t rank;
    int32_t left;
    int32_t right;
    int32_t result;
    bool operator<(const Candidate& other) const {
      return rank != other.rank ? rank > other.rank : left > other.left;
    }
  };

  // Merges the pair that the model learned first, and of several the leftmost, until none merges.
  void merge() {
    ids_.clear();
    ends_.clear();
    const auto whole = tokenizer_.whole_.empty() ? tokenizer_.whole_.end() : tokenizer_.whole_.find(bytes_);
    if (whole != tokenizer_.whole_.end()) {
      ids_.push_back(whole->second);
      ends_.push_back(static_cast<int64_t>(bytes_.size()));
      return;
    }
    start_symbols();
    std::priority_queue<Candidate> queue;
    const auto count = static_cast<int32_t>(symbols_.size());
    for (int32_t i = 0; i + 1 < count; ++i) consider(i, queue);
    while (!queue.empty()) {
      const Candidate best = queue.top();
      queue.pop();
      if (is_stale(best)) continue;
      join(best, queue);
    }
    for (int32_t i = 0; i >= 0; i = symbols_[static_cast<size_t>(i)].next) {
      const Symbol& symbol = symbols_[static_cast<size_t>(i)];
      ids_.push_back(symbol.id);
      ends_.push_back(symbol.next < 0 ? count : symbol.next);
    }
  }

  struct Symbol {
    int32_t id;
    int32_t previous;
    int32_t next;  // -1: none
  };

  void start_symbols() {
    symbols_.clear();
    for (const char byte : bytes_) {
      const auto at = static_cast<int32_t>(symbols_.size());
      symbols_.push_back({tokenizer_.bytes_[static_cast<uint8_t>(byte)], at - 1, at + 1});
    }
    if (!symbols_.empty()) symbols_.back().next = -1;
  }

  void consider(int32_t left, std::priority_queue<Candidate>& queue) {
    const int32_t right = symbols_[static_cast<size_t>(left)].next;
    if (right < 0) return;
    const MergeTable::Merge* merge = tokenizer_.merges_.find(symbols_[static_cast<size_t>(left)].id,
                                                             symbols_[static_cast<size_t>(right)].id);
    if (merge != nullptr) queue.push({merge->rank, left, right, merge->result});
  }

  // One of the two has been merged with another since.
  bool is_stale(const Candidate& candidate) const {
    const Symbol& left = symbols_[static_cast<size_t>(candidate.left)];
    if (left.id < 0 || left.next != candidate.right) return true;
    const MergeTable::Merge* merge =
        tokenizer_.merges_.find(left.id, symbols_[static_cast<size_t>(candidate.right)].id);
    return merge == nullptr || merge->rank != candidate.rank;
  }

  void join(const Candidate& best, std::priority_queue<Candidate>& queue) {
    Symbol& left = symbols_[static_cast<size_t>(best.left)];
    Symbol& right = symbols_[static_cast<size_t>(best.right)];
    left.id = best.result;
    left.next = right.next;
    right.id = -1;
    if (left.next >= 0) symbols_[static_cast<size_t>(left.next)].previous = best.left;
    consider(best.left, queue);
    if (left.previous >= 0) consider(left.previous, queue);
  }

  // The current word's tokens, with the characters that their bytes lie in.
  void write() {
    const int64_t first = out_.ids.size();
    int64_t begin = 0;
    for (size_t i = 0; i < ids_.size(); ++i) {
      const int64_t end = ends_[i];
      int64_t start = places_[static_cast<size_t>(begin)];
      int64_t stop = places_[static_cast<size_t>(end - 1)] + 1;
      if (tokenizer_.trims_offsets_) trim(begin, end, start, stop);
      put(ids_[i], start, stop, out_.ids.size() == first);
      begin = end;
    }
  }

  // As ByteLevel's post-processing does: the blanks of a token leave its span, but for one that was added.
  void trim(int64_t begin, int64_t end, int64_t& start, int64_t& stop) const {
    int64_t leading = 0;
    while (begin + leading < end && bytes_[static_cast<size_t>(begin + leading)] == ' ') ++leading;
    int64_t trailing = 0;
    while (end - trailing > begin && bytes_[static_cast<size_t>(end - trailing - 1)] == ' ') ++trailing;
    const bool is_first = out_.ids.size() == first_ || start == 0;
    if (leading == 1 && is_first && tokenizer_.trims_after_prefix_) leading = 0;
    start = std::min(start + leading, stop);
    if (trailing > 0 && stop >= trailing) stop = std::max(stop - trailing, start);
  }

  void put(int32_t id, int64_t start, int64_t end, bool begins) {
    out_.ids.push(id);
    out_.spans.push({static_cast<int32_t>(start), static_cast<int32_t>(end)});
    out_.begins.push(begins);
  }

  const BytePairTokenizer& tokenizer_;
  const Code* text_;
  int64_t size_;
  std::vector<Word>& cache_;
  TokenList& out_;
  int64_t first_;                // index in out_ of this text's first token
  std::string bytes_;            // of the current word
  std::vector<int64_t> places_;  // position of the character that each byte is of
  std::vector<int32_t> ids_;
  std::vector<int64_t> ends_;  // of its tokens, in bytes
  std::vector<Symbol> symbols_;
};

void BytePairTokenizer::encode(TextView text, TokenList& out) const {
  if (text.size() > std::numeric_limits<int32_t>::max()) {
    throw ConfigurationError(
        "a text of more than 2,147,483,647 characters can't be tokenized: chunk it by chars first");
  }
  auto scratch = scratch_.borrow();
  text.visit([&]<class Code>(const Code* data) {
    BytePairRun<Code>(*this, data, text.size(), *scratch, out).run();
  });
}

}  // namespace headrace::text
