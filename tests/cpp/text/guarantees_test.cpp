#include "guarantees.h"

#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <string>
#include <vector>

#include "headrace/text/markdown_chunker.h"
#include "headrace/text/recursive_chunker.h"
#include "headrace/text/sentence_chunker.h"
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
      ASSERT_EQ(broken_guarantee(text.view(), list, options), "")
          << "round " << round << ", size " << options.size << ", overlap " << options.overlap << ", unit "
          << static_cast<int>(options.unit) << ", stable " << options.stable << ": " << utf8;
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
