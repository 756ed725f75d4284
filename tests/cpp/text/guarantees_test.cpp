#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <string>
#include <vector>

#include "headrace/text/grapheme.h"
#include "headrace/text/markdown_chunker.h"
#include "headrace/text/recursive_chunker.h"
#include "headrace/text/sentence_chunker.h"
#include "unicode.h"
#include "utf8.h"

namespace headrace::text {

namespace {

const std::vector<std::string> kPieces = {
    " ",
    "\n",
    "\r\n",
    "\n\n",
    ". ",
    "word",
    "é",
    "e\u0301",
    "\u0301",
    "日本",
    "。",
    "👨‍👩‍👧",
    "🇧🇷",
    "🇧",
    "\u0600",
    "\u200d",
    "क्ष",
    "ᄒ",
    "ᅡ",
    "\t",
    "　",
    "# H\n",
    "Setext\n===\n",
    "- item\n",
    "```\n",
    "| a |\n|---|\n",
    "| 1 |\n",
    "> q\n",
    "---\n",
    "1) x\n",
    "long-word-without-any-blank-in-it",
    "Dr. ",
    "?!\" ",
};

std::string random_text(std::mt19937& random) {
  std::string text;
  for (uint32_t left = random() % 60; left > 0; --left) text += kPieces[random() % kPieces.size()];
  return text;
}

std::vector<std::unique_ptr<Chunker>> all_chunkers(const ChunkOptions& options) {
  std::vector<std::unique_ptr<Chunker>> found;
  found.push_back(std::make_unique<RecursiveChunker>(options));
  found.push_back(std::make_unique<SentenceChunker>(options, SentenceOptions{true, true}));
  found.push_back(std::make_unique<MarkdownChunker>(options));
  return found;
}

int64_t size_of(TextView text, Span span, Unit unit) {
  int64_t size = 0;
  for (int64_t i = span.start; i < span.end; ++i) size += unit == Unit::kBytes ? utf8_size(text[i]) : 1;
  return size;
}

void check(TextView text, const ChunkList& list, const ChunkOptions& options) {
  const std::vector<int64_t> edges = grapheme_boundaries(text);
  const auto whole = [&](int64_t at) { return std::binary_search(edges.begin(), edges.end(), at); };
  int64_t covered = 0;
  for (size_t i = 0; i < list.spans.size(); ++i) {
    const Span span = list.spans[i];
    ASSERT_LT(span.start, span.end);
    ASSERT_LE(size_of(text, span, options.unit), options.size);
    for (int64_t at = covered; at < span.start; ++at) ASSERT_TRUE(is_blank(text[at])) << at;
    if (i > 0) {
      ASSERT_GT(span.start, list.spans[i - 1].start);
      ASSERT_GT(span.end, list.spans[i - 1].end);
      ASSERT_LE(size_of(text, {span.start, std::max(span.start, covered)}, options.unit), options.overlap);
    }
    covered = span.end;
    const bool split = std::binary_search(list.splits.begin(), list.splits.end(), static_cast<int64_t>(i));
    ASSERT_EQ(split, !whole(span.start) || !whole(span.end));
  }
  for (int64_t at = covered; at < text.size(); ++at) ASSERT_TRUE(is_blank(text[at])) << at;
}

}  // namespace

TEST(Guarantees, HoldForAllChunkersOverRandomText) {
  std::mt19937 random(7);
  for (int round = 0; round < 4000; ++round) {
    const std::string utf8 = random_text(random);
    const DecodedText text(utf8);
    ChunkOptions options;
    options.size = 4 + random() % 40;
    options.overlap = random() % 3 == 0 ? 0 : random() % options.size;
    options.unit = random() % 2 == 0 ? Unit::kChars : Unit::kBytes;
    options.stable = random() % 2 == 0;
    for (const auto& chunker : all_chunkers(options)) {
      ChunkList list;
      chunker->chunk(text.view(), list);
      check(text.view(), list, options);
      if (testing::Test::HasFatalFailure()) FAIL() << "round " << round << ": " << utf8;
    }
  }
}

TEST(Guarantees, AListGrowsFromTextToText) {
  const MarkdownChunker chunker({40, 0});
  const std::string utf8 = "# A\n\none two\n\n## B\n\nthree four";
  const DecodedText text(utf8);
  ChunkList list;
  chunker.chunk(text.view(), list);
  chunker.chunk(text.view(), list);
  ASSERT_EQ(list.spans.size(), 4u);
  ASSERT_EQ(list.notes.size(), 4u);
  EXPECT_EQ(list.notes[3].heading, 3);
  EXPECT_EQ(list.headings[3].parent, 2);
  EXPECT_EQ(list.headings[1].parent, 0);
}

}  // namespace headrace::text
