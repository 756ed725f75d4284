#include "headrace/embed/batch_stream.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "fake_model.h"

namespace headrace::embed {
namespace {

class MapSink : public RowSink {
 public:
  void row(const BatchText& text, std::span<const float> row) override {
    EXPECT_TRUE(rows.try_emplace(text.id, row.begin(), row.end()).second);
  }
  void failed(const BatchText& text, const BatchFailure& failure) override {
    EXPECT_TRUE(failures.try_emplace(text.id, failure.message).second);
  }
  std::map<int64_t, std::vector<float>> rows;
  std::map<int64_t, std::string> failures;
};

struct Bench {
  FakeModel model;
  BatchBudget budget{100};
  MapSink sink;
};

TEST(BatchStream, FormsNoBatchBeforeTheWindowIsFullOrClosed) {
  Bench b;
  BatchStream stream(b.model, b.budget, nullptr, {.max_batch = 4, .window = 8});
  EXPECT_EQ(stream.room(), 8);
  stream.push(std::vector<BatchText>{{10, "a"}, {11, "bb"}, {12, "ccc"}}, b.sink);
  EXPECT_EQ(stream.room(), 5);
  EXPECT_FALSE(stream.run_batch(b.sink));
  stream.close();
  EXPECT_TRUE(stream.run_batch(b.sink));
  EXPECT_FALSE(stream.run_batch(b.sink));
  EXPECT_EQ(b.sink.rows.size(), 3U);
  EXPECT_EQ(b.sink.rows[11][0], 2);
  EXPECT_EQ(stream.dim(), 3);
}

TEST(BatchStream, MemoryIsBoundedByTheWindow) {
  Bench b;
  BatchStream stream(b.model, b.budget, nullptr, {.max_batch = 4, .window = 8});
  std::vector<std::string> texts;
  for (int i = 0; i < 100; ++i) texts.push_back(std::to_string(i));
  int64_t next = 0;
  while (next < 100) {
    for (int64_t room = stream.room(); room > 0 && next < 100; --room, ++next) {
      stream.push(std::vector<BatchText>{{next, texts[static_cast<size_t>(next)]}}, b.sink);
    }
    EXPECT_LE(next - static_cast<int64_t>(b.sink.rows.size()), 8);
    stream.run_batch(b.sink);
  }
  stream.close();
  while (stream.run_batch(b.sink)) continue;
  EXPECT_EQ(b.sink.rows.size(), 100U);
}

TEST(BatchStream, EqualTextsThatWaitRunOnce) {
  Bench b;
  BatchStream stream(b.model, b.budget, nullptr, {});
  stream.push(std::vector<BatchText>{{1, "same"}, {2, "other"}, {3, "same"}}, b.sink);
  stream.push(std::vector<BatchText>{{4, "same"}}, b.sink);
  stream.close();
  while (stream.run_batch(b.sink)) continue;
  EXPECT_EQ(b.sink.rows.size(), 4U);
  EXPECT_EQ(stream.stats().texts, 2);
  EXPECT_EQ(stream.stats().duplicates, 2);
}

TEST(BatchStream, EqualTextsFailTogether) {
  Bench b;
  b.model.fails = fails_for({"bad"});
  BatchStream stream(b.model, b.budget, nullptr, {});
  stream.push(std::vector<BatchText>{{1, "bad"}, {2, "good"}, {3, "bad"}}, b.sink);
  stream.close();
  while (stream.run_batch(b.sink)) continue;
  EXPECT_EQ(b.sink.rows.size(), 1U);
  EXPECT_EQ(b.sink.failures.size(), 2U);
  EXPECT_EQ(b.sink.failures[3], b.sink.failures[1]);
}

// A text of a rare length pads most and would always be put off: it must go after four windows of others.
TEST(BatchStream, NoTextWaitsForEver) {
  Bench b;
  BatchStream stream(b.model, b.budget, nullptr, {.max_batch = 4, .window = 8});
  std::vector<std::string> texts;
  for (int i = 0; i < 400; ++i)
    texts.push_back(std::string(i == 5 ? 45 : 20, 'x') + std::to_string(i + 1000));
  for (int64_t i = 0; i < 400; ++i) {
    while (stream.room() == 0) ASSERT_TRUE(stream.run_batch(b.sink));
    stream.push(std::vector<BatchText>{{i, texts[static_cast<size_t>(i)]}}, b.sink);
    EXPECT_TRUE(i < 60 || b.sink.rows.contains(5));
  }
}

// Eight texts fail alone, then the model is doubted and the others wait: when it recovers, nothing more is
// lost.
TEST(BatchStream, AModelThatRecoversIsUsedAgain) {
  Bench b;
  b.model.fails = [](auto) { return true; };
  BatchStream stream(b.model, b.budget, nullptr, {.max_batch = 4, .window = 32});
  std::vector<std::string> texts;
  std::vector<BatchText> all;
  for (int i = 0; i < 64; ++i) texts.push_back("text " + std::to_string(i));
  for (int64_t i = 0; i < 64; ++i) all.push_back({i, texts[static_cast<size_t>(i)]});
  stream.push(std::span(all).first(32), b.sink);
  while (stream.run_batch(b.sink)) continue;
  EXPECT_EQ(b.sink.failures.size(), 8U);

  b.model.fails = nullptr;
  stream.push(std::span(all).last(32), b.sink);
  stream.close();
  while (stream.run_batch(b.sink)) continue;
  EXPECT_EQ(b.sink.rows.size(), 56U);
}

TEST(BatchStream, ACounterThatFailsForOneTextTakesNoOtherWithIt) {
  class Counting : public FakeModel {
   public:
    void count_tokens(std::span<const BatchText> texts, int64_t* counts) override {
      for (const BatchText& text : texts) {
        if (text.text == "uncountable") throw std::runtime_error("no tokens");
      }
      FakeModel::count_tokens(texts, counts);
    }
  };
  Counting model;
  Bench b;
  BatchStream stream(model, b.budget, nullptr, {});
  stream.push(std::vector<BatchText>{{1, "fine"}, {2, "uncountable"}}, b.sink);
  stream.close();
  while (stream.run_batch(b.sink)) continue;
  EXPECT_EQ(b.sink.rows.count(1), 1U);
  EXPECT_EQ(b.sink.failures[2], "counting the tokens of text 2: no tokens");
}

// Enough tokens for every way the search can take: what it finds hangs on the machine, that it ends must not.
TEST(BatchStream, FindsABudgetWhileItWorks) {
  Bench b;
  BatchBudget unknown(0);
  BatchStream stream(b.model, unknown, nullptr, {.max_batch = 1000, .window = 2000});
  std::vector<std::string> texts;
  for (int i = 0; i < 2000; ++i) texts.push_back(std::to_string(10000 + i) + std::string(245, 'x'));
  std::vector<BatchText> all;
  for (int64_t i = 0; i < 2000; ++i) all.push_back({i, texts[static_cast<size_t>(i)]});
  stream.push(all, b.sink);
  stream.close();
  while (stream.run_batch(b.sink)) continue;
  EXPECT_EQ(b.sink.rows.size(), 2000U);
  EXPECT_TRUE(unknown.known());
}

}  // namespace
}  // namespace headrace::embed
