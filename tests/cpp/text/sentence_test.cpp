#include "headrace/text/sentence.h"

#include <gtest/gtest.h>

#include <string>

#include "abbreviations.h"
#include "text/break_file.h"
#include "utf8.h"

namespace headrace::text {

namespace {

// The sentences of a text, as many characters each.
std::vector<int64_t> lengths(const std::string& utf8, SentenceOptions options = {}) {
  const DecodedText text(utf8);
  const std::vector<int64_t> edges = sentence_boundaries(text.view(), options);
  std::vector<int64_t> found;
  for (size_t i = 1; i < edges.size(); ++i) found.push_back(edges[i] - edges[i - 1]);
  return found;
}

using Lengths = std::vector<int64_t>;

}  // namespace

TEST(Sentences, PassTheConformanceTestOfTheirVersion) {
  const std::vector<BreakCase> cases = read_break_file("SentenceBreakTest.txt");
  ASSERT_EQ(cases.size(), 502u);
  for (const BreakCase& each : cases) {
    EXPECT_EQ(sentence_boundaries({each.text.data(), static_cast<int64_t>(each.text.size())}), each.breaks)
        << each.line;
  }
}

TEST(Sentences, TheSameInTheMiddleOfALongText) {
  const std::vector<uint32_t> lead(200, 'A');  // OLetter would do too: no rule looks back beyond it
  for (const BreakCase& each : read_break_file("SentenceBreakTest.txt")) {
    std::vector<uint32_t> text = lead;
    text.push_back('\n');
    text.insert(text.end(), each.text.begin(), each.text.end());
    std::vector<int64_t> expected{0};
    for (const int64_t edge : each.breaks) expected.push_back(edge + 201);
    EXPECT_EQ(sentence_boundaries({text.data(), static_cast<int64_t>(text.size())}), expected) << each.line;
  }
}

TEST(Sentences, ALineFeedEndsOneUnlessTheTextIsWrapped) {
  EXPECT_EQ(lengths("One\ntwo three.\nFour"), (Lengths{4, 11, 4}));
  EXPECT_EQ(lengths("One\ntwo three.\nFour", {.wrapped = true}), (Lengths{15, 4}));
  EXPECT_EQ(lengths("One\r\ntwo \n \nFour", {.wrapped = true}), (Lengths{10, 2, 4}));
}

TEST(Sentences, AbbreviationsAreKeptTogetherOnRequest) {
  const std::string text = "O Sr. Silva e a Drª. Souza moram na Av. Brasil. See Fig. 3 of J. Doe. End.";
  EXPECT_EQ(lengths(text, {.abbreviations = true}), (Lengths{48, 22, 4}));
  EXPECT_GT(lengths(text).size(), 3u);
  EXPECT_EQ(lengths("He is a Dr.\nHe is old.", {.abbreviations = true}).size(), 2u);  // a line ends all
}

TEST(Sentences, AbbreviationsAreSearchedWithoutAccents) {
  EXPECT_TRUE(is_abbreviation("prof"));
  EXPECT_TRUE(is_abbreviation("vs"));
  EXPECT_FALSE(is_abbreviation("casa"));
  EXPECT_EQ(lengths("Veja a pág. 7 e o Núm. 8.", {.abbreviations = true}).size(), 1u);
}

}  // namespace headrace::text
