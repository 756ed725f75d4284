#include "headrace/embed/words.h"

#include <gtest/gtest.h>

namespace headrace::embed {
namespace {

std::vector<std::string> words(std::string_view text) {
  WordList list;
  list.read(text);
  std::vector<std::string> out;
  for (int64_t i = 0; i < list.size(); ++i) out.emplace_back(list.text(i));
  return out;
}

using Strings = std::vector<std::string>;

TEST(WordList, FoldsCaseAndAccents) {
  EXPECT_EQ(words("Ação, SÃO-Paulo; Ünïcode!"), (Strings{"acao", "sao", "paulo", "unicode"}));
  EXPECT_EQ(words("ΛΌΓΟΣ Ёлка"), (Strings{"λογοσ", "елка"}));
  EXPECT_EQ(words("Straße STRASSE"), (Strings{"strasse", "strasse"}));
}

TEST(WordList, ComposedAndDecomposedAreTheSame) {
  EXPECT_EQ(words("caf\u00e9"), words("cafe\u0301"));
}

TEST(WordList, ResolvesCompatibilityForms) {
  EXPECT_EQ(words("ﬁle Ｗｉｄｅ ②"), (Strings{"file", "wide", "2"}));
}

TEST(WordList, UnspacedScriptsGivePairs) {
  EXPECT_EQ(words("日本語"), (Strings{"日本", "本語"}));
  EXPECT_EQ(words("水 がく"), (Strings{"水", "がく"}));
  EXPECT_EQ(words("ab日本cd"), (Strings{"ab", "日本", "cd"}));
}

TEST(WordList, KeepsVowelSignsAndEmoji) {
  EXPECT_EQ(words("हिन्दी"), (Strings{"हिन्दी"}));
  EXPECT_EQ(words("ok 😀 ok"), (Strings{"ok", "😀", "ok"}));
}

TEST(WordList, InvalidUtf8Separates) {
  EXPECT_EQ(words("ab\xff"
                  "cd\xc3"),
            (Strings{"ab", "cd"}));
  EXPECT_EQ(words(std::string_view("a\0b", 3)), (Strings{"a", "b"}));
  EXPECT_EQ(words("\xed\xa0\x80x\xf4\x90\x80\x80y\xc0\xafz"), (Strings{"x", "y", "z"}));
  EXPECT_TRUE(words("").empty());
}

TEST(WordList, CanBeReused) {
  WordList list;
  list.read("日");
  list.read("one two");
  ASSERT_EQ(list.size(), 2);
  EXPECT_EQ(list.text(1), "two");
}

TEST(TakePiece, CutsAtBlanksOrBetweenCharacters) {
  const std::string spaced(700'000, 'a');
  std::string text = spaced + " " + spaced;
  std::string_view rest = text;
  EXPECT_EQ(take_piece(rest).size(), 700'001U);
  EXPECT_EQ(take_piece(rest).size(), 700'000U);
  EXPECT_TRUE(rest.empty());

  text.clear();
  for (int i = 0; i < 400'000; ++i) text += "日";
  rest = text;
  while (!rest.empty()) EXPECT_EQ(take_piece(rest).size() % 3, 0U);
}

}  // namespace
}  // namespace headrace::embed
