#include "headrace/text/tokenizer.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "headrace/base/error.h"
#include "headrace/text/markdown_chunker.h"
#include "headrace/text/token_chunker.h"
#include "small_tokenizers.h"
#include "utf8.h"

// Equality with the tokenizers package is tested from Python, where the package is.
namespace headrace::text {

namespace {

struct Encoded {
  std::vector<int32_t> ids;
  std::vector<std::pair<int32_t, int32_t>> spans;
  std::vector<int> begins;
};

Encoded encode(const Tokenizer& tokenizer, const std::string& utf8) {
  const DecodedText text(utf8);
  TokenList list;
  tokenizer.encode(text.view(), list);
  Encoded found;
  for (int64_t i = 0; i < list.size(); ++i) {
    found.ids.push_back(list.ids[i]);
    found.spans.emplace_back(list.spans[i].start, list.spans[i].end);
    found.begins.push_back(list.begins[i]);
  }
  return found;
}

using Ids = std::vector<int32_t>;
using Spans = std::vector<std::pair<int32_t, int32_t>>;

}  // namespace

TEST(WordPiece, FindsTheLongestPiecesOfNormalizedWords) {
  const auto tokenizer = make_tokenizer(kBert);
  const Encoded found = encode(*tokenizer, "São unaffable! 日日x [MASK]a");
  EXPECT_EQ(found.ids, (Ids{3, 4, 5, 6, 7, 8, 8, 0, 9, 10}));
  EXPECT_EQ(
      found.spans,
      (Spans{{0, 3}, {4, 6}, {6, 9}, {9, 13}, {13, 14}, {15, 16}, {16, 17}, {17, 18}, {18, 25}, {25, 26}}));
  EXPECT_EQ(found.begins, (std::vector<int>{1, 1, 0, 0, 1, 1, 1, 1, 1, 1}));
  EXPECT_EQ(tokenizer->special_tokens(), 2);
}

TEST(WordPiece, AWordTooLongOrWithoutPiecesIsUnknown) {
  const auto tokenizer = make_tokenizer(kBert);
  EXPECT_EQ(encode(*tokenizer, std::string(21, 'a')).ids, Ids{0});
  EXPECT_EQ(encode(*tokenizer, "unx").spans, (Spans{{0, 3}}));
  EXPECT_TRUE(encode(*tokenizer, " \n\t").ids.empty());
}

TEST(WordPiece, TheCacheChangesNothing) {
  const auto tokenizer = make_tokenizer(kBert);
  const Encoded first = encode(*tokenizer, "unaffable unx sao");
  EXPECT_EQ(encode(*tokenizer, "unaffable unx sao").ids, first.ids);
  EXPECT_EQ(encode(*tokenizer, "unaffable unx sao").spans, first.spans);
}

TEST(BytePair, MergesInTheOrderOfTheModel) {
  const auto tokenizer = make_tokenizer(gpt2_json());
  const Encoded found = encode(*tokenizer, "the the an's");
  EXPECT_EQ((Ids{found.ids[0], found.ids[1], found.ids[3]}), (Ids{257, 258, 259}));
  EXPECT_EQ(found.spans, (Spans{{0, 3}, {3, 7}, {7, 8}, {8, 10}, {10, 11}, {11, 12}}));
  EXPECT_EQ(found.begins, (std::vector<int>{1, 1, 1, 0, 1, 0}));
}

TEST(BytePair, BytesOfACharacterStandForIt) {
  const auto tokenizer = make_tokenizer(gpt2_json());
  EXPECT_EQ(encode(*tokenizer, "日a").spans, (Spans{{0, 1}, {0, 1}, {0, 1}, {1, 2}}));
}

TEST(Tokenizer, NamesWhatItDoesNotKnow) {
  const auto message = [](const std::string& json) -> std::string {
    try {
      make_tokenizer(json);
    } catch (const ConfigurationError& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_NE(message("nonsense").find("not a tokenizer.json"), std::string::npos);
  EXPECT_NE(message("[]").find("not a tokenizer.json"), std::string::npos);
  EXPECT_NE(message(R"({"model": {"type": "Unigram"}})").find("don't know model Unigram"), std::string::npos);
  EXPECT_NE(
      message(
          R"({"model": {"type": "BPE", "vocab": {}, "merges": []}, "pre_tokenizer": {"type": "ByteLevel"}})")
          .find("lacks a byte"),
      std::string::npos);
  EXPECT_NE(message(R"({"model": {"type": "WordPiece", "vocab": {}}})").find("normalizer none"),
            std::string::npos);
}

TEST(Tokenizer, CountsForManyTexts) {
  const auto tokenizer = make_tokenizer(kBert);
  const std::vector<uint8_t> text{'s', 'a', 'o', '!'};
  const std::vector<TextView> views{{text.data(), 4}, {text.data(), 0}, {text.data(), 3}};
  EXPECT_EQ(count_tokens(*tokenizer, views, 2), (std::vector<int64_t>{4, 2, 3}));
}

TEST(TokenChunker, KeepsTheLimitOverRandomText) {
  const std::vector<std::string> pieces{"sao ", "unaffable", "unx",     "!", "日", "\n\n",
                                        "a",    "[MASK]",    "e\u0301", "x", " ",  "the "};
  std::mt19937 random(3);
  for (const std::string& json : {kBert, gpt2_json()}) {
    ChunkOptions options{
        .size = 9, .overlap = 2, .unit = Unit::kTokens, .tokenizer = make_tokenizer(json), .prefix = "a "};
    const int64_t room = 9 - options.tokenizer->special_tokens();
    for (int round = 0; round < 500; ++round) {
      std::string text;
      for (uint32_t left = random() % 40; left > 0; --left) text += pieces[random() % pieces.size()];
      const DecodedText decoded(text);
      for (const ChunkList& list :
           {TokenChunker(options).chunk(text), MarkdownChunker(options).chunk(text)}) {
        for (const Span& span : list.spans) {
          std::vector<uint32_t> chunk{'a', ' '};
          for (int64_t i = span.start; i < span.end; ++i) chunk.push_back(decoded.view()[i]);
          TokenList tokens;
          options.tokenizer->encode({chunk.data(), static_cast<int64_t>(chunk.size())}, tokens);
          ASSERT_LE(tokens.size(), room) << text;
        }
      }
    }
  }
}

TEST(TokenChunker, NeedsATokenizerWithRoom) {
  EXPECT_THROW(TokenChunker({.size = 10}), ConfigurationError);
  EXPECT_THROW(TokenChunker({.size = 10, .unit = Unit::kTokens}), ConfigurationError);
  EXPECT_THROW(TokenChunker({.size = 2, .unit = Unit::kTokens, .tokenizer = make_tokenizer(kBert)}),
               ConfigurationError);
}

}  // namespace headrace::text
