#include "headrace/embed/hashed_embedder.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <thread>
#include <vector>

#include "headrace/base/error.h"

namespace headrace::embed {
namespace {

using Views = std::vector<std::string_view>;

const Views kCorpus = {"the cat sits on the roof", "O gato está no telhado", "日本語の文章です。",
                       "a report"};

double dot(std::span<const float> a, std::span<const float> b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * b[i];
  return sum;
}

bool same(const Matrix& a, const Matrix& b) {
  return std::equal(a.data(), a.data() + a.size(), b.data());
}

TEST(HashedEmbedder, RowsHaveLengthOne) {
  const Matrix rows = HashedEmbedder().embed(kCorpus);
  ASSERT_EQ(rows.rows(), 4);
  ASSERT_EQ(rows.cols(), 384);
  for (int64_t i = 0; i < 4; ++i) EXPECT_NEAR(dot(rows.row(i), rows.row(i)), 1, 1e-6);
}

// Hashing keeps dot products of the features up to noise of about 1 / sqrt(dim).
TEST(HashedEmbedder, KeepsSimilarityOfFeatures) {
  const HashedEmbedder embedder({.dim = 16384, .word_ngrams = 1, .min_char_ngram = 1, .max_char_ngram = 0});
  const Views texts = {"a b c d", "a b x y", "p q r s"};
  const Matrix rows = embedder.embed(texts);
  EXPECT_NEAR(dot(rows.row(0), rows.row(1)), 0.5, 0.03);
  EXPECT_NEAR(dot(rows.row(0), rows.row(2)), 0.0, 0.03);
}

TEST(HashedEmbedder, EmbedOneIsARowOfEmbed) {
  const HashedEmbedder embedder({.dim = 40});
  const Matrix rows = embedder.embed(kCorpus, 3);
  std::vector<float> row(40);
  for (int64_t i = 0; i < 4; ++i) {
    embedder.embed_one(kCorpus[static_cast<size_t>(i)], row.data());
    EXPECT_TRUE(std::equal(row.begin(), row.end(), rows.row(i).begin()));
  }
}

TEST(HashedEmbedder, StaysAsItIsUntilTheFitEnds) {
  HashedEmbedder embedder;
  const std::string before = embedder.model_id();
  embedder.begin_fit();
  embedder.add(kCorpus);
  EXPECT_EQ(embedder.model_id(), before);
  embedder.end_fit();
  EXPECT_NE(embedder.model_id(), before);
  EXPECT_EQ(embedder.documents(), 4);
}

TEST(HashedEmbedder, StateBringsItBack) {
  HashedEmbedder embedder({.dim = 64, .char_share = 0.5});
  embedder.add(kCorpus);
  embedder.end_fit();
  const HashedEmbedder again = HashedEmbedder::from_state(embedder.state());
  EXPECT_EQ(again.model_id(), embedder.model_id());
  EXPECT_EQ(again.state(), embedder.state());
  EXPECT_TRUE(same(again.embed(kCorpus), embedder.embed(kCorpus)));
}

TEST(HashedEmbedder, CutOrForeignStatesAreRefused) {
  HashedEmbedder embedder;
  embedder.add(kCorpus);
  embedder.end_fit();
  const std::string state = embedder.state();
  for (size_t length = 0; length < state.size(); length += 61) {
    EXPECT_THROW(HashedEmbedder::from_state(state.substr(0, length)), PipelineError) << length;
  }
  EXPECT_THROW(HashedEmbedder::from_state("[1, 2]\n"), ConfigurationError);
}

TEST(HashedEmbedder, ManyThreadsMayEmbed) {
  const HashedEmbedder embedder;
  const Matrix expected = embedder.embed(kCorpus);
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] { EXPECT_TRUE(same(embedder.embed(kCorpus, 2), expected)); });
  }
}

TEST(HashedEmbedder, ManyFeaturesAndManyTexts) {
  std::string text;
  for (int i = 0; i < 20000; ++i) text += "w" + std::to_string(i * 7919) + " ";
  const Views texts(70, text);
  const Matrix rows = HashedEmbedder({.dim = 32}).embed(texts, 2);
  EXPECT_TRUE(std::equal(rows.row(0).begin(), rows.row(0).end(), rows.row(69).begin()));
}

TEST(HashedEmbedder, RefusesSettingsOutOfRange) {
  EXPECT_THROW(HashedEmbedder({.dim = 0}), ConfigurationError);
  EXPECT_THROW(HashedEmbedder({.word_ngrams = 6}), ConfigurationError);
  EXPECT_THROW(HashedEmbedder({.min_char_ngram = 4, .max_char_ngram = 3}), ConfigurationError);
  EXPECT_THROW(HashedEmbedder({.char_share = -0.1}), ConfigurationError);
}

TEST(Matrix, RefusesImpossibleSizes) {
  EXPECT_THROW(Matrix(-1, 3), ConfigurationError);
  EXPECT_THROW(Matrix(int64_t{1} << 40, int64_t{1} << 40), ResourceError);
  EXPECT_EQ(Matrix(0, 5).data(), nullptr);
}

}  // namespace
}  // namespace headrace::embed
