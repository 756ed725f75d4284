#include "text_entries.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "guarantees.h"
#include "headrace/base/error.h"
#include "headrace/text/markdown_chunker.h"
#include "headrace/text/recursive_chunker.h"
#include "headrace/text/sentence_chunker.h"
#include "headrace/text/token_chunker.h"
#include "small_tokenizers.h"

namespace headrace::text {

namespace {

void require(bool holds, const std::string& what) {
  if (holds) return;
  std::fprintf(stderr, "broken: %s\n", what.c_str());
  std::abort();
}

// Bytes that are eaten one by one; 0 when none are left.
class Input {
 public:
  Input(const uint8_t* data, size_t size) : data_(data), left_(size) {}
  uint8_t next() { return left_ == 0 ? 0 : (--left_, *data_++); }
  const uint8_t* data() const { return data_; }
  size_t left() const { return left_; }

 private:
  const uint8_t* data_;
  size_t left_;
};

// Bytes from 0x80 on stand for characters that join, part, decompose or end something.
constexpr uint32_t kUnusual[] = {
    0x85,    0xA0,    0xAA,    0xAD,    0xC0,    0xC3,    0xDF,    0xE9,    0x130,   0x17F,   0x300,
    0x301,   0x323,   0x345,   0x34F,   0x3A9,   0x5B0,   0x600,   0x61C,   0x627,   0x64B,   0x6D4,
    0x90D,   0x915,   0x94D,   0x937,   0x9CD,   0xE01,   0xE33,   0x1100,  0x1161,  0x11A8,  0x1E9E,
    0x200B,  0x200D,  0x2018,  0x201D,  0x2028,  0x2029,  0x2026,  0x20DD,  0x212A,  0x302E,  0x3000,
    0x3001,  0x3002,  0x3042,  0x3099,  0x65E5,  0x672C,  0xAC00,  0xD7A3,  0xD800,  0xDFFF,  0xFB01,
    0xFE0F,  0xFEFF,  0xFF01,  0xFF0E,  0xFF1F,  0xFFFD,  0xFFFF,  0x10D4E, 0x1D15E, 0x1D165, 0x1F1E7,
    0x1F1F7, 0x1F3FD, 0x1F44D, 0x1F468, 0x1F469, 0x20000, 0xE0001, 0xE0100, 0xF0000, 0x10FFFF};

// A text in memory of exactly its size, so that reading beyond it is seen.
struct Text {
  explicit Text(Input& input) : width(input.next() % 3), size(static_cast<int64_t>(input.left())) {
    for (; input.left() > 0;) {
      const uint8_t byte = input.next();
      const uint32_t code = byte < 0x80 ? byte : kUnusual[(byte - 0x80) % std::size(kUnusual)];
      if (width == 0) latin1.push_back(byte);
      if (width == 1) ucs2.push_back(code > 0xFFFF ? uint16_t{0xFFFD} : static_cast<uint16_t>(code));
      if (width == 2) ucs4.push_back(code);
    }
    latin1.shrink_to_fit();
    ucs2.shrink_to_fit();
    ucs4.shrink_to_fit();
  }
  TextView view() const {
    if (width == 0) return {latin1.data(), size};
    return width == 1 ? TextView(ucs2.data(), size) : TextView(ucs4.data(), size);
  }

  int width;
  int64_t size;
  std::vector<uint8_t> latin1;
  std::vector<uint16_t> ucs2;
  std::vector<uint32_t> ucs4;
};

std::shared_ptr<const Tokenizer> tokenizer(int which) {
  static const std::shared_ptr<const Tokenizer> kAll[] = {make_tokenizer(kBert), make_tokenizer(gpt2_json())};
  return kAll[which % 2];
}

ChunkOptions options_of(Input& input) {
  ChunkOptions options;
  options.size = input.next() % 80 + 1;
  options.overlap = input.next() % 80;
  options.min_size = static_cast<int64_t>(input.next()) - 1;
  const uint8_t flags = input.next();
  options.unit = static_cast<Unit>(flags % 3);
  options.stable = (flags & 4) != 0;
  if (options.unit == Unit::kTokens) options.tokenizer = tokenizer(flags >> 3);
  return options;
}

std::unique_ptr<Chunker> chunker_of(int kind, const ChunkOptions& options, int flags) {
  if (kind == 0) return std::make_unique<RecursiveChunker>(options);
  if (kind == 1)
    return std::make_unique<SentenceChunker>(options, SentenceOptions{flags % 2 == 0, flags % 3 == 0});
  if (kind == 2) return std::make_unique<MarkdownChunker>(options, flags);
  ChunkOptions of_tokens = options;
  if (!of_tokens.tokenizer) of_tokens.tokenizer = tokenizer(flags);
  return std::make_unique<TokenChunker>(of_tokens);
}

bool same(const TokenList& list, int64_t first, const TokenList& part, int64_t shift) {
  for (int64_t i = 0; i < part.size(); ++i) {
    if (list.ids[first + i] != part.ids[i] || list.spans[first + i].start != part.spans[i].start + shift)
      return false;
  }
  return true;
}

// A text cut before a word has the tokens of its parts.
void check_words(const Tokenizer& tokenizer, TextView text, const TokenList& list, int64_t cut) {
  if (list.size() == 0 || list.begins[cut] == 0) return;
  const int64_t at = list.spans[cut].start;
  TokenList before;
  TokenList behind;
  tokenizer.encode(text.part(0, at), before);
  tokenizer.encode(text.part(at, text.size()), behind);
  require(before.size() + behind.size() == list.size(), "a cut before a word changes the number of tokens");
  require(same(list, 0, before, 0) && same(list, cut, behind, at), "a cut before a word changes tokens");
}

}  // namespace

void fuzz_chunkers(const uint8_t* data, size_t size) {
  Input input(data, size);
  const int kind = input.next() % 4;
  const int flags = input.next();
  try {
    const ChunkOptions options = options_of(input);
    const std::unique_ptr<Chunker> chunker = chunker_of(kind, options, flags);
    const std::string_view utf8(reinterpret_cast<const char*>(input.data()), input.left());
    const Text text(input);
    ChunkList list;
    chunker->chunk(text.view(), list);
    const std::string fault = broken_guarantee(text.view(), list, options);
    require(fault.empty(), fault);
    chunker->chunk(utf8);
  } catch (const ConfigurationError&) {
  }
}

void fuzz_tokenizers(const uint8_t* data, size_t size) {
  Input input(data, size);
  const auto chosen = tokenizer(input.next());
  const int64_t cut = input.next();
  const Text text(input);
  TokenList list;
  chosen->encode(text.view(), list);
  int64_t start = 0;
  for (int64_t i = 0; i < list.size(); ++i) {
    const TokenSpan span = list.spans[i];
    require(span.start >= start && span.end >= span.start && span.end <= text.size,
            "a token outside its text");
    start = span.start;
  }
  if (list.size() > 0) check_words(*chosen, text.view(), list, cut % list.size());
}

void fuzz_tokenizer_json(const uint8_t* data, size_t size) {
  static const std::string kText = "S\xC3\xA3o the unaffable! [MASK] 123 x";
  try {
    const auto made = make_tokenizer({reinterpret_cast<const char*>(data), size});
    TokenList list;
    made->encode({reinterpret_cast<const uint8_t*>(kText.data()), static_cast<int64_t>(kText.size())}, list);
  } catch (const ConfigurationError&) {
  }
}

}  // namespace headrace::text
