#include "headrace/embed/batcher.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <random>
#include <set>
#include <thread>

#include "fake_model.h"
#include "headrace/base/error.h"

namespace headrace::embed {
namespace {

using Views = std::vector<std::string_view>;

std::vector<std::string> random_texts(size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<std::string> texts(count);
  for (std::string& text : texts) text.assign(1 + random() % 60, static_cast<char>('a' + random() % 26));
  return texts;
}

Views views(const std::vector<std::string>& texts) {
  return {texts.begin(), texts.end()};
}

void expect_rows_of(const Matrix& rows, const std::vector<std::string>& texts) {
  ASSERT_EQ(rows.rows(), static_cast<int64_t>(texts.size()));
  for (size_t i = 0; i < texts.size(); ++i) {
    EXPECT_EQ(rows.row(static_cast<int64_t>(i))[0], static_cast<float>(texts[i].size()));
    EXPECT_EQ(rows.row(static_cast<int64_t>(i))[1], static_cast<float>(texts[i].front()));
  }
}

class BatcherWorkers : public testing::TestWithParam<int> {};

TEST_P(BatcherWorkers, RowsComeBackInOrderAndEachTextOnce) {
  const std::vector<std::string> texts = random_texts(3000, 1);
  FakeModel model;
  Batcher batcher(model, {.max_batch = 16, .window = 100}, 200, GetParam());
  expect_rows_of(batcher.embed(views(texts)).rows, texts);

  std::multiset<std::string> seen;
  for (const auto& call : model.calls()) {
    size_t longest = 0;
    for (const std::string& text : call) longest = std::max(longest, text.size());
    EXPECT_TRUE(call.size() == 1 || call.size() * longest <= 200);
    EXPECT_LE(call.size(), 16U);
    seen.insert(call.begin(), call.end());
  }
  const std::set<std::string> different(texts.begin(), texts.end());
  EXPECT_TRUE(std::equal(seen.begin(), seen.end(), different.begin(), different.end()));
  EXPECT_EQ(batcher.stats().texts, static_cast<int64_t>(different.size()));
  EXPECT_EQ(batcher.stats().duplicates, static_cast<int64_t>(texts.size() - different.size()));
}

TEST_P(BatcherWorkers, PoisonStandsAlone) {
  std::vector<std::string> texts = random_texts(500, 2);
  texts[7] = texts[450] = "poison one";
  texts[300] = "poison two, longer";
  FakeModel model;
  model.fails = fails_for({texts[7], texts[300]});
  Batcher batcher(model, {.max_batch = 32, .window = 128}, 400, GetParam());
  Embedded embedded = batcher.embed(views(texts));
  ASSERT_EQ(embedded.failed.size(), 3U);
  for (const auto& [failed, index] : {std::pair(0, 7), {1, 300}, {2, 450}}) {
    EXPECT_EQ(embedded.failed[static_cast<size_t>(failed)].index, index);
    EXPECT_TRUE(std::isnan(embedded.rows.row(index)[0]));
    EXPECT_NE(embedded.failed[static_cast<size_t>(failed)].failure.message.find("batch"), std::string::npos);
  }
  for (size_t i = 0; i < texts.size(); ++i) {
    if (i == 7 || i == 300 || i == 450) continue;
    EXPECT_EQ(embedded.rows.row(static_cast<int64_t>(i))[0], texts[i].size());
  }
}

// Longest first: the guilty all come in a row, and must not be taken for a broken model.
TEST_P(BatcherWorkers, ManyPoisonTextsInARow) {
  std::vector<std::string> texts = random_texts(200, 3);
  std::vector<std::string> poison;
  for (int i = 0; i < 40; ++i) {
    texts[static_cast<size_t>(5 * i)] = "poison " + std::string(static_cast<size_t>(100 + i), 'x');
    poison.push_back(texts[static_cast<size_t>(5 * i)]);
  }
  FakeModel model;
  model.fails = fails_for(poison);
  Batcher batcher(model, {.max_batch = 64, .window = 1024}, 2000, GetParam());
  EXPECT_EQ(batcher.embed(views(texts)).failed.size(), 40U);
}

TEST_P(BatcherWorkers, ABrokenModelIsNotAskedForEveryText) {
  const std::vector<std::string> texts = random_texts(5000, 4);
  FakeModel model;
  model.fails = [](auto) { return true; };
  Batcher batcher(model, {.max_batch = 128, .window = 1024}, 512, GetParam());
  Embedded embedded = batcher.embed(views(texts));
  EXPECT_EQ(embedded.failed.size(), 5000U);
  EXPECT_EQ(embedded.rows.rows(), 5000);
  EXPECT_EQ(embedded.rows.cols(), 0);
  EXPECT_LT(model.calls().size(), 400U);
}

TEST_P(BatcherWorkers, FatalErrorsStopAtOnce) {
  const std::vector<std::string> texts = random_texts(2000, 5);
  FakeModel model;
  model.spoil = [](const Matrix&) -> ModelRows { throw ConfigurationError("wrong key"); };
  Batcher batcher(model, {}, 512, GetParam());
  EXPECT_THROW(batcher.embed(views(texts)), ConfigurationError);
  EXPECT_LE(model.calls().size(), static_cast<size_t>(GetParam()));
}

INSTANTIATE_TEST_SUITE_P(All, BatcherWorkers, testing::Values(1, 2, 4));

TEST(Batcher, RunsSeveralBatchesAtOnceWhereTheModelAllows) {
  const std::vector<std::string> texts = random_texts(400, 6);
  FakeModel model;
  model.before_answer = [] { std::this_thread::sleep_for(std::chrono::milliseconds(2)); };
  Batcher(model, {.max_batch = 4}, 512, 3).embed(views(texts));
  EXPECT_EQ(model.running_high(), 3);
}

TEST(Batcher, ManyThreadsMayUseOne) {
  const std::vector<std::string> texts = random_texts(300, 7);
  FakeModel model;
  Batcher batcher(model, {.max_batch = 8, .window = 64}, 0, 2);
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] { expect_rows_of(batcher.embed(views(texts)).rows, texts); });
  }
}

TEST(Batcher, NamesTheBatchOfAWrongAnswer) {
  struct Case {
    std::function<ModelRows(const Matrix&)> spoil;
    std::string message;
  };
  const auto keep = std::make_shared<Matrix>(9, 3);
  const auto nan = std::make_shared<Matrix>(1, 3);
  nan->row(0)[1] = std::numeric_limits<float>::quiet_NaN();
  const std::vector<Case> cases = {
      {[&](const Matrix& rows) { return ModelRows{{keep->data(), rows.rows() + 1, 3}, keep}; },
       "2 rows for 1 text"},
      {[&](const Matrix& rows) { return ModelRows{{keep->data(), rows.rows(), 0}, keep}; }, "dimension 0"},
      {[&](const Matrix& rows) { return ModelRows{{nan->data(), rows.rows(), 3}, nan}; }, "NaN"},
  };
  for (const Case& wrong : cases) {
    FakeModel model;
    model.spoil = wrong.spoil;
    const Views texts = {"one"};
    const Embedded embedded = Batcher(model, {}, 512).embed(texts);
    ASSERT_EQ(embedded.failed.size(), 1U);
    EXPECT_EQ(embedded.failed[0].failure.message.find("batch 0 (1 text: 0): "), 0U);
    EXPECT_NE(embedded.failed[0].failure.message.find(wrong.message), std::string::npos);
  }
}

// Halves of it would fit by chance: one row for one text.
TEST(Batcher, AnAnswerOfTheWrongShapeFailsTheWholeBatch) {
  FakeModel model;
  const auto one = std::make_shared<Matrix>(1, 3);
  model.spoil = [&](const Matrix&) { return ModelRows{*one, one}; };
  const Views texts = {"one", "two", "three"};
  const Embedded embedded = Batcher(model, {}, 512).embed(texts);
  ASSERT_EQ(embedded.failed.size(), 3U);
  EXPECT_NE(
      embedded.failed[0].failure.message.find("(3 texts: 2, 0, 1): the model returned 1 row for 3 texts"),
      std::string::npos);
  EXPECT_EQ(model.calls().size(), 1U);
}

TEST(Batcher, AChangingDimensionIsAnError) {
  FakeModel model;
  const auto wide = std::make_shared<Matrix>(9, 5);
  model.spoil = [&](const Matrix& rows) {
    if (rows.row(0)[0] == 4) return ModelRows{{wide->data(), rows.rows(), 5}, wide};
    const auto copy = std::make_shared<Matrix>(rows.rows(), 3);
    return ModelRows{*copy, copy};
  };
  const Views texts = {"longer text", "four", "a"};
  const Embedded embedded = Batcher(model, {.max_batch = 1}, 512).embed(texts);
  ASSERT_EQ(embedded.failed.size(), 1U);
  EXPECT_EQ(embedded.failed[0].index, 1);
  EXPECT_NE(embedded.failed[0].failure.message.find("dimension 5 instead of 3"), std::string::npos);
}

TEST(Batcher, TextsOverTheModelsLimitAreNotSent) {
  FakeModel model;
  model.limit = 10;
  const Views texts = {"short", "this one is too long", "fine"};
  const Embedded embedded = Batcher(model, {}, 512).embed(texts);
  ASSERT_EQ(embedded.failed.size(), 1U);
  EXPECT_EQ(embedded.failed[0].failure.message.substr(0, 26), "text 1 has 20 tokens, the ");
  EXPECT_EQ(model.calls().size(), 1U);
}

TEST(Batcher, NothingNeedsNoModel) {
  FakeModel model;
  EXPECT_EQ(Batcher(model, {}).embed({}).rows.rows(), 0);
  EXPECT_TRUE(model.calls().empty());
}

TEST(Batcher, RefusesSettingsOutOfRange) {
  FakeModel model;
  EXPECT_THROW(Batcher(model, {.max_batch = 0}), ConfigurationError);
  EXPECT_THROW(Batcher(model, {.window = 0}), ConfigurationError);
  EXPECT_THROW(Batcher(model, {}, 0, 0), ConfigurationError);
}

class MapCache : public EmbeddingCache {
 public:
  CachedRows get(std::span<const std::string> keys) override {
    const std::lock_guard lock(mutex_);
    CachedRows found;
    for (const std::string& key : keys) {
      const auto row = rows_.find(key);
      found.rows.push_back(row == rows_.end() ? std::span<const float>()
                                              : std::span<const float>(row->second));
    }
    return found;
  }
  void put(std::span<const std::string> keys, const MatrixView& rows) override {
    const std::lock_guard lock(mutex_);
    for (size_t i = 0; i < keys.size(); ++i) {
      const float* row = rows.data + static_cast<int64_t>(i) * rows.cols;
      rows_[keys[i]].assign(row, row + rows.cols);
    }
  }
  std::map<std::string, std::vector<float>> rows_;

 private:
  std::mutex mutex_;
};

TEST(Batcher, KnownTextsComeFromTheCache) {
  const std::vector<std::string> texts = random_texts(500, 8);
  MapCache cache;
  FakeModel model;
  const BatchSettings settings{.window = 64, .model_id = "fake"};
  expect_rows_of(Batcher(model, settings, 200, 1, &cache).embed(views(texts)).rows, texts);
  const size_t calls = model.calls().size();
  Batcher again(model, settings, 200, 2, &cache);
  expect_rows_of(again.embed(views(texts)).rows, texts);
  EXPECT_EQ(model.calls().size(), calls);
  EXPECT_EQ(again.stats().cached + again.stats().duplicates, 500);

  Batcher(model, {.model_id = "other"}, 200, 1, &cache).embed(views(texts));
  EXPECT_GT(model.calls().size(), calls);
}

TEST(Batcher, SpoiltRowsOfACacheAreNotUsed) {
  MapCache cache;
  FakeModel model;
  cache.rows_[cache_key("fake", "a")] = {1, std::numeric_limits<float>::quiet_NaN(), 1};
  cache.rows_[cache_key("fake", "bb")] = {2, 98, 1};
  cache.rows_[cache_key("fake", "ccc")] = {1, 2};
  const Views texts = {"a", "bb", "ccc"};
  Batcher batcher(model, {.model_id = "fake"}, 200, 1, &cache);
  const Embedded embedded = batcher.embed(texts);
  EXPECT_EQ(batcher.stats().cached, 1);
  EXPECT_EQ(embedded.rows.row(2)[0], 3);
  EXPECT_EQ(cache.rows_[cache_key("fake", "ccc")].size(), 3U);
  EXPECT_THROW(Batcher(model, {}, 200, 1, &cache), ConfigurationError);
}

TEST(CacheKey, IsTheSha256OfModelAndText) {
  EXPECT_EQ(cache_key("m", "text"), "d3e5359c7cd8e60bc1efd0274bd2e387adfc3d48a2b59ed81935f02edc1f5e4b");
  EXPECT_NE(cache_key("m", "text"), cache_key("mt", "ext"));
}

}  // namespace
}  // namespace headrace::embed
