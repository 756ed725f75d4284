// Embedding inside runs: batches across documents, the cache in the run store, texts that fail.
#include "headrace/flow/embed_stage.h"

#include <atomic>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

#include "../embed/fake_model.h"
#include "headrace/flow/native.h"
#include "headrace/flow/stored_vectors.h"
#include "support.h"

namespace headrace::test {

using native::Json;

class EmbedStageTest : public Runs {
 protected:
  /// `documents` documents of 40 chunks each, no two chunks equal; then the stage under test.
  Pipeline pipeline(const std::string& identity = "{}", EmbedSettings settings = {}) {
    Pipeline pipe("embedding", "1");
    pipe.add(native::source("documents", [this](const Context&) {
      auto next = std::make_shared<int>(0);
      return [this, next]() -> std::optional<std::pair<std::string, Json>> {
        if (*next >= documents_) return std::nullopt;
        const int n = (*next)++;
        return std::pair<std::string, Json>{"d" + std::to_string(n), n};
      };
    }));
    pipe.add(native::flat_map("chunks", "documents", [](const Context&, const Json& n) {
      native::Keyed children;
      for (int i = 0; i < 40; ++i) {
        const std::string text = std::string(1 + i % 7, 'x') + std::to_string(n.get<int>() * 100 + i);
        children.emplace_back(std::to_string(i), i % 2 ? Json(text) : Json{{"text", text}});
      }
      return children;
    }));
    settings.batch.model_id = "fake";
    settings.batch.window = 256;
    if (settings.max_tokens == 0) settings.max_tokens = 64;
    auto stage = std::make_shared<EmbedStage>("embed", identity, model_, std::move(settings));
    stage->over = "chunks";
    stage->policy.retry = retry_;
    pipe.add(stage);
    return pipe;
  }

  std::int64_t calls() const { return static_cast<std::int64_t>(model_->calls().size()); }
  static StageReport report(const Runner& runner) { return runner.progress().stages.back(); }

  int documents_ = 10;
  RetryPolicy retry_;
  std::shared_ptr<embed::FakeModel> model_ = std::make_shared<embed::FakeModel>();
};

TEST_F(EmbedStageTest, RowsAreArraysAndBatchesReachAcrossDocuments) {
  const auto runner = run(pipeline());
  EXPECT_EQ(runner->status(), RunStatus::kSucceeded);
  EXPECT_EQ(report(*runner).executed, 400);
  std::int64_t texts = 0;
  bool across = false;
  for (const auto& call : model_->calls()) {
    std::set<std::string> documents;
    for (const std::string& text : call)
      documents.insert(text.substr(text.find_first_of("0123456789")).substr(0, 1));
    across |= documents.size() > 1;
    texts += static_cast<std::int64_t>(call.size());
  }
  EXPECT_EQ(texts, 400);
  EXPECT_TRUE(across);
  const auto rows = open_store(path())->reader()->query(
      "SELECT value FROM results WHERE stage='embed' AND key='[\"d1\",\"6\"]'");
  const std::string bytes = std::get<Bytes>(rows.rows.at(0).at(0)).data;
  ASSERT_EQ(bytes.size(), 16U + 8 + 12);
  EXPECT_EQ(bytes.substr(0, 16), std::string("HRB\x01\x05"
                                             "array\x01\x03<f4\x01",
                                             16));
  float row[3];
  std::memcpy(row, bytes.data() + 24, sizeof row);
  EXPECT_EQ(row[0], 10);  // "xxxxxxx106"
}

TEST_F(EmbedStageTest, TheStoreKeepsRowsForOtherRunsAndStages) {
  run(pipeline());
  const std::int64_t before = calls();
  const auto again = run(pipeline(R"({"code":"another"})"));  // every unit runs again, no text does
  EXPECT_EQ(report(*again).executed, 400);
  EXPECT_EQ(calls(), before);
  documents_ = 11;
  run(pipeline(R"({"code":"another"})"));
  std::int64_t texts = 0;
  for (const auto& call : model_->calls()) texts += static_cast<std::int64_t>(call.size());
  EXPECT_EQ(texts, 440);
  EXPECT_EQ(open_store(path())->verify(), std::vector<std::string>());
}

TEST_F(EmbedStageTest, ATextThatFailsAloneIsItsItemsDeadLetter) {
  model_->fails = [](std::span<const embed::BatchText> texts) {
    for (const auto& text : texts) {
      if (text.text == "xxx302") return true;
    }
    return false;
  };
  const auto runner = run(pipeline());
  EXPECT_EQ(runner->status(), RunStatus::kPartial);
  ASSERT_EQ(runner->failures().size(), 1U);
  const Failure failure = runner->failures()[0];
  EXPECT_EQ(failure.key, R"(["d3","2"])");
  EXPECT_EQ(failure.fault.error_type, "EmbeddingError");
  EXPECT_NE(failure.fault.message.find("poison"), std::string::npos);
  EXPECT_EQ(report(*runner).executed, 399);
}

TEST_F(EmbedStageTest, AFailureThatPassesIsTriedAgain) {
  retry_.attempts = 3;
  std::atomic<int> left{5};
  model_->fails = [&](std::span<const embed::BatchText>) { return left-- > 0; };
  const auto runner = run(pipeline());
  EXPECT_EQ(runner->status(), RunStatus::kSucceeded);
}

TEST_F(EmbedStageTest, WhatIsNoTextIsADeadLetterAndTheOthersGoOn) {
  Pipeline pipe("odd", "1");
  pipe.add(native::source("items", [](const Context&) {
    auto next = std::make_shared<int>(0);
    return [next]() -> std::optional<std::pair<std::string, Json>> {
      const std::vector<Json> values = {
          "good", 7, Json{{"text", 1}}, Json{{"words", "x"}}, nullptr, Json{{"text", ""}}};
      if (*next >= static_cast<int>(values.size())) return std::nullopt;
      const int n = (*next)++;
      return std::pair<std::string, Json>{std::to_string(n), values[static_cast<std::size_t>(n)]};
    };
  }));
  EmbedSettings settings;
  settings.batch.model_id = "fake";
  auto stage = std::make_shared<EmbedStage>("embed", "{}", model_, settings);
  stage->over = "items";
  pipe.add(stage);
  const auto runner = run(pipe);
  EXPECT_EQ(report(*runner).executed, 2);
  ASSERT_EQ(runner->failures().size(), 4U);
  EXPECT_EQ(runner->failures()[0].fault.error_type, "ConfigurationError");
  EXPECT_EQ(runner->failures()[0].fault.message,
            "its value is not a text: give a string, or a mapping with 'text'");
}

TEST_F(EmbedStageTest, ARunThatIsCancelledStopsBetweenBatchesAndGoesOnWhereItWas) {
  std::atomic<int> batches{0};
  model_->before_answer = [&] {
    ++batches;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  };
  Runner runner(pipeline(), open_store(path()), RunOptions());
  runner.start();
  while (batches < 10) std::this_thread::yield();
  const auto began = std::chrono::steady_clock::now();
  runner.cancel("enough");
  EXPECT_TRUE(runner.wait(60));
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::milliseconds(250));
  runner.join();
  EXPECT_EQ(runner.status(), RunStatus::kCancelled);
  EXPECT_TRUE(runner.failures().empty());
  const auto resumed = run(pipeline());
  EXPECT_EQ(resumed->status(), RunStatus::kSucceeded);
  std::int64_t texts = 0;
  for (const auto& call : model_->calls()) texts += static_cast<std::int64_t>(call.size());
  EXPECT_EQ(texts, 400);  // none twice
}

TEST_F(EmbedStageTest, ADamagedVectorIsEmbeddedAgainAndNamed) {
  run(pipeline());
  const auto store = open_store(path());
  store->execute("UPDATE vector SET value=zeroblob(12) WHERE id=17");
  ASSERT_FALSE(store->verify().empty());
  EXPECT_NE(store->verify()[0].find("vector"), std::string::npos);
  const std::int64_t before = calls();
  run(pipeline(R"({"code":"another"})"));
  EXPECT_EQ(calls(), before + 1);
  EXPECT_EQ(open_store(path())->verify(), std::vector<std::string>());
}

TEST_F(EmbedStageTest, PruneForgetsVectorsThatNoRunUses) {
  run(pipeline());
  const auto count = [&] {
    return std::get<std::int64_t>(
        open_store(path())->reader()->query("SELECT count(*) FROM vector").rows[0][0]);
  };
  EXPECT_EQ(count(), 400);
  open_store(path())->execute("UPDATE vector SET used_ms=used_ms-7200000 WHERE id<=100");
  run(pipeline(R"({"code":"another"})"));  // uses all of them
  open_store(path())->prune(1);
  EXPECT_EQ(count(), 400);
  open_store(path())->execute("UPDATE vector SET used_ms=used_ms-7200000 WHERE id<=100");
  open_store(path())->prune(1);
  EXPECT_EQ(count(), 300);
}

TEST_F(EmbedStageTest, RowsOfAnotherModelAreNotMixedUp) {
  const auto store = open_store(path());
  StoredVectors one(store, "one");
  StoredVectors two(store, "two");
  const std::vector<std::string> keys = {embed::cache_key("one", "a"), embed::cache_key("one", "b")};
  embed::Matrix rows(2, 3);
  rows.row(1)[2] = 5;
  one.put(keys, rows);
  one.flush();
  const embed::CachedRows found = one.get(keys);
  ASSERT_EQ(found.rows.size(), 2U);
  ASSERT_EQ(found.rows[1].size(), 3U);
  EXPECT_EQ(found.rows[1][2], 5);
  EXPECT_TRUE(two.get(keys).rows[0].empty());
}

TEST_F(EmbedStageTest, ACacheNeedsAModelId) {
  EXPECT_THROW(EmbedStage("embed", "{}", model_, {}), ConfigurationError);
}

}  // namespace headrace::test
