#include "headrace/text/recursive_chunker.h"

#include <gtest/gtest.h>

#include <string>

#include "headrace/base/error.h"

namespace headrace::text {

namespace {

std::vector<std::string> texts(const std::string& ascii, const ChunkOptions& options) {
  std::vector<std::string> found;
  for (const Span& span : RecursiveChunker(options).chunk(ascii).spans) {
    found.push_back(
        ascii.substr(static_cast<size_t>(span.start), static_cast<size_t>(span.end - span.start)));
  }
  return found;
}

using Texts = std::vector<std::string>;

}  // namespace

TEST(RecursiveChunker, PrefersParagraphsThenLinesThenSentencesThenWords) {
  EXPECT_EQ(texts("one two\nthree\n\nfour five six", {20, 0}), (Texts{"one two\nthree", "four five six"}));
  EXPECT_EQ(texts("one two\nthree four. five six", {20, 0}), (Texts{"one two", "three four. five six"}));
  EXPECT_EQ(texts("One two. Three four five six", {20, 0}), (Texts{"One two.", "Three four five six"}));
  EXPECT_EQ(texts("one two three four five six", {20, 0}), (Texts{"one two three four", "five six"}));
  EXPECT_EQ(texts("onetwothreefourfivesix", {20, 0}), (Texts{"onetwothreefourfives", "ix"}));
}

TEST(RecursiveChunker, AShortBeginningDoesNotStandAlone) {
  const std::string text = "Title\n\nA paragraph that is longer. It has two parts";
  EXPECT_EQ(texts(text, {40, 0}).front(), "Title\n\nA paragraph that is longer.");
  EXPECT_EQ(texts(text, {40, 0, Unit::kChars, 0}).front(), "Title");
}

TEST(RecursiveChunker, ABreakExactlyAtTheLimitCounts) {
  EXPECT_EQ(texts("12345\n\n7890", {5, 0}), (Texts{"12345", "7890"}));
  EXPECT_EQ(texts("12345 7890", {5, 0}), (Texts{"12345", "7890"}));
}

TEST(RecursiveChunker, OverlapStartsAtAWordAndStaysWithinItsLimit) {
  EXPECT_EQ(texts("one two three four five six", {14, 5}),
            (Texts{"one two three", "three four", "four five six"}));
}

TEST(RecursiveChunker, BlankTextHasNoChunks) {
  EXPECT_TRUE(texts("", {10, 0}).empty());
  EXPECT_TRUE(texts(" \n\t \r\n ", {2, 0}).empty());
}

TEST(RecursiveChunker, AClusterOverTheLimitIsSplitAndNamed) {
  std::string text = "ab e";
  for (int i = 0; i < 10; ++i) text += "\u0301";
  const ChunkList list = RecursiveChunker({4, 0}).chunk(text + " cd");
  EXPECT_EQ(list.spans, (std::vector<Span>{{0, 2}, {3, 7}, {7, 11}, {11, 14}, {15, 17}}));
  EXPECT_EQ(list.splits, (std::vector<int64_t>{1, 2, 3}));
}

TEST(RecursiveChunker, BytesLimitTheUtf8Size) {
  const ChunkList list = RecursiveChunker({10, 0, Unit::kBytes}).chunk("日本語の文章です");
  EXPECT_EQ(list.spans, (std::vector<Span>{{0, 3}, {3, 6}, {6, 8}}));
}

TEST(RecursiveChunker, NamesWhatIsWrong) {
  EXPECT_THROW(RecursiveChunker({0, 0}), ConfigurationError);
  EXPECT_THROW(RecursiveChunker({10, 10}), ConfigurationError);
  EXPECT_THROW(RecursiveChunker({10, -1}), ConfigurationError);
  EXPECT_THROW(RecursiveChunker({3, 0, Unit::kBytes}), ConfigurationError);
  EXPECT_THROW(RecursiveChunker({10, 0, Unit::kChars, 11}), ConfigurationError);
  EXPECT_THROW(RecursiveChunker({10, 0}).chunk("abc\xFF"), ConfigurationError);
  EXPECT_THROW(RecursiveChunker({10, 0}).chunk("\xED\xA0\x80"), ConfigurationError);
}

TEST(ChunkMany, TheNumberOfThreadsChangesNothing) {
  std::vector<std::string> sources;
  std::vector<TextView> views;
  for (int i = 0; i < 200; ++i) {
    sources.emplace_back();
    for (int j = 0; j < i * 7; ++j) sources.back() += "Some words of text " + std::to_string(i * j) + ".\n";
  }
  for (const std::string& source : sources) {
    views.emplace_back(reinterpret_cast<const uint8_t*>(source.data()), static_cast<int64_t>(source.size()));
  }
  const RecursiveChunker chunker({100, 20});
  for (const int threads : {0, 1, 2, 7}) {
    const std::vector<DocumentChunks> found = chunk_many(chunker, views, threads);
    ASSERT_EQ(found.size(), sources.size());
    for (size_t i = 0; i < found.size(); ++i) {
      const auto begin = found[i].list->spans.begin() + found[i].first;
      EXPECT_EQ(std::vector<Span>(begin, begin + found[i].count), chunker.chunk(sources[i]).spans) << i;
    }
  }
  EXPECT_THROW(chunk_many(chunker, views, -1), ConfigurationError);
  EXPECT_TRUE(chunk_many(chunker, {}, 2).empty());
}

}  // namespace headrace::text
