// Whole runs with native stages: no Python anywhere.
#include "headrace/flow/runner.h"

#include <unistd.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

#include "headrace/flow/native.h"
#include "support.h"

namespace headrace::test {

using native::Json;
using native::Keyed;

class RunnerTest : public Runs {
 protected:
  RunnerTest() {
    source_ = [this](const Context&) {
      auto next = std::make_shared<int>(0);
      return [this, next]() -> std::optional<std::pair<std::string, Json>> {
        if (*next >= items_) return std::nullopt;
        const int n = (*next)++;
        return std::pair<std::string, Json>{"k" + std::to_string(n), n + shift_};
      };
    };
  }

  static StageReport report(const Runner& runner, const std::string& name) {
    for (const StageReport& stage : runner.progress().stages) {
      if (stage.name == name) return stage;
    }
    throw std::runtime_error("no stage " + name);
  }
  std::map<std::string, Json> results_of(const std::string& stage) {
    std::map<std::string, Json> found;
    const auto reader = open_store(path())->reader();
    for (const auto& row : reader->query("SELECT key, value FROM results WHERE stage=?1", {stage}).rows) {
      const auto* key = std::get_if<std::string>(&row[0]);
      found[key ? *key : ""] = Json::parse(std::get<std::string>(row[1]));
    }
    return found;
  }

  /// source -> double -> (batch, and parts -> group) -> total
  Pipeline every_form() {
    Pipeline pipeline("every-form");
    pipeline.add(native::source("items", source_));
    pipeline.add(native::map("double", "items", [this](const Context&, const Json& n) {
      ++executed_;
      return Json(n.get<int>() * 2);
    }));
    pipeline.add(native::batch("plus", "double", 7, [](const Context&, const std::vector<Json>& values) {
      std::vector<Json> answers;
      for (const Json& value : values)
        answers.emplace_back(value.get<int>() + static_cast<int>(values.size()) * 0 + 1);
      return answers;
    }));
    pipeline.add(native::flat_map("parts", "double", [](const Context&, const Json& n) {
      Keyed children;
      for (int i = 0; i < n.get<int>() % 4; ++i) children.emplace_back("c" + std::to_string(i), i);
      return children;
    }));
    pipeline.add(native::group("families", "parts", "items",
                               [](const Context&, const Keyed& parts) { return Json(parts.size()); }));
    pipeline.add(native::step("total", [](const Context& ctx) { return ctx.with("done", true); })).after = {
        "plus", "families"};
    return pipeline;
  }

  int items_ = 300;
  std::atomic<int> shift_{0};
  std::atomic<int> executed_{0};
  std::function<std::function<std::optional<std::pair<std::string, Json>>()>(const Context&)> source_;
};

TEST_F(RunnerTest, EveryFormOnManyThreads) {
  RunOptions options;
  options.threads = 4;
  const auto runner = run(every_form(), options);
  EXPECT_EQ(runner->status(), RunStatus::kSucceeded);
  EXPECT_TRUE(runner->failures().empty());
  const auto plus = results_of("plus");
  ASSERT_EQ(plus.size(), 300U);
  EXPECT_EQ(plus.at("\"k41\""), 83);
  const auto families = results_of("families");
  ASSERT_EQ(families.size(), 300U);
  EXPECT_EQ(families.at("\"k1\""), 2);
  EXPECT_EQ(families.at("\"k2\""), 0);
  EXPECT_EQ(results_of("parts").size(), 300U);
  EXPECT_EQ(results_of("total").at("")["done"], true);
  EXPECT_EQ(open_store(path())->verify(), std::vector<std::string>());
}

TEST_F(RunnerTest, AgainExecutesNothingAndAChangeJustWhatItTouches) {
  run(every_form());
  executed_ = 0;
  const auto again = run(every_form());
  EXPECT_EQ(executed_, 0);
  EXPECT_EQ(report(*again, "double").skipped, 300);
  items_ = 301;
  run(every_form());
  EXPECT_EQ(executed_, 1);
  shift_ = 1;
  run(every_form());
  EXPECT_EQ(executed_, 302);
}

TEST_F(RunnerTest, FewerItemsAreGone) {
  run(every_form());
  items_ = 100;
  run(every_form());
  EXPECT_EQ(results_of("plus").size(), 100U);
  EXPECT_EQ(results_of("families").size(), 100U);
  EXPECT_EQ(open_store(path())->verify(), std::vector<std::string>());
}

TEST_F(RunnerTest, CancelledAndResumed) {
  Pipeline pipeline("slow");
  pipeline.add(native::source("items", source_));
  pipeline.add(native::map("work", "items", [this](const Context&, const Json& n) {
    ++executed_;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    return n;
  }));
  auto runner = start(pipeline);
  while (executed_ < 40) std::this_thread::yield();
  runner->cancel("enough");
  ASSERT_TRUE(runner->wait(10));
  EXPECT_EQ(runner->status(), RunStatus::kCancelled);
  EXPECT_EQ(runner->message(), "enough");
  const std::string id = runner->info().id;
  const int before = executed_;
  EXPECT_EQ(report(*runner, "work").executed, before);
  runner.reset();
  const auto resumed = run(pipeline);
  EXPECT_TRUE(resumed->resumed());
  EXPECT_EQ(resumed->info().id, id);
  EXPECT_EQ(executed_, 300);
  EXPECT_EQ(report(*resumed, "work").skipped, before);
}

TEST_F(RunnerTest, ARunnerThatIsGivenUpStopsItsRun) {
  Pipeline pipeline("given-up");
  pipeline.add(native::source("items", source_));
  pipeline.add(native::map("work", "items", [](const Context&, const Json& n) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    return n;
  }));
  start(pipeline).reset();
  const auto reader = open_store(path())->reader();
  EXPECT_EQ(std::get<std::string>(reader->query("SELECT status FROM run").rows.at(0)[0]), "cancelled");
}

TEST_F(RunnerTest, RetriesDeadLettersAndStops) {
  items_ = 20;
  std::atomic<int> tries{0};
  Pipeline pipeline("failing");
  pipeline.add(native::source("items", source_));
  Stage& work = pipeline.add(native::map("work", "items", [&](const Context& ctx, const Json& n) {
    if (n == 3 && ++tries < 3) throw ResourceError("not yet");
    if (n == 5) throw ConfigurationError("never");
    EXPECT_LE(ctx.attempt(), 3);
    return n;
  }));
  work.policy.retry.attempts = 3;
  work.policy.retry.delay = 0.01;
  const auto runner = run(pipeline);
  EXPECT_EQ(runner->status(), RunStatus::kPartial);
  EXPECT_EQ(tries, 3);
  EXPECT_EQ(report(*runner, "work").retries, 2);
  ASSERT_EQ(runner->failures().size(), 1U);
  EXPECT_EQ(runner->failures()[0].key, "\"k5\"");
  EXPECT_EQ(runner->failures()[0].fault.category, Category::kConfiguration);
  work.policy.on_error = OnError::kStop;
  const auto stopped = run(pipeline);
  EXPECT_EQ(stopped->status(), RunStatus::kFailed);
  ASSERT_TRUE(stopped->error());
  EXPECT_THROW(std::rethrow_exception(stopped->error()), StageError);
}

TEST_F(RunnerTest, ARunThatIsCancelledListsTheDeadLettersThatItRecorded) {
  items_ = 100'000;
  Pipeline pipeline("cancelled");
  pipeline.add(native::source("items", source_));
  Stage& work = pipeline.add(native::map(
      "work", "items", [](const Context&, const Json& n) -> Json { throw ResourceError("not yet"); }));
  work.policy.retry.attempts = 1'000;
  work.policy.retry.delay = 0;
  for (int round = 0; round < 20; ++round) {
    const auto runner = start(pipeline);
    std::this_thread::sleep_for(std::chrono::milliseconds(3 + round));
    runner->cancel("enough");
    runner->join();
    const auto recorded = open_store(path())->reader()->query("SELECT count(*) FROM failure WHERE run=?1",
                                                              {runner->info().number});
    EXPECT_EQ(static_cast<std::int64_t>(runner->failures().size()),
              std::get<std::int64_t>(recorded.rows[0][0]));
  }
}

TEST_F(RunnerTest, AStuckUnitIsAbandonedAndTheOthersGoOn) {
  items_ = 400;
  const auto release = std::make_shared<std::promise<void>>();
  const auto held = release->get_future().share();
  Pipeline pipeline("stuck");
  pipeline.add(native::source("items", source_));
  Stage& work = pipeline.add(native::map("work", "items", [held](const Context&, const Json& n) {
    if (n == 30) held.wait();
    return n;
  }));
  work.policy.timeout = 0.2;
  work.policy.serial =
      true;  // short units that one worker does at a time: the stuck one must not bar the rest
  const auto runner = run(pipeline);
  EXPECT_EQ(runner->status(), RunStatus::kPartial);
  ASSERT_EQ(runner->failures().size(), 1U);
  EXPECT_EQ(runner->failures()[0].fault.error_type, "TimeoutError");
  EXPECT_EQ(report(*runner, "work").executed, 399);
  release->set_value();
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
}

TEST_F(RunnerTest, AnAbandonedRunEndsThoughItsSourceIsStuck) {
  const auto release = std::make_shared<std::promise<void>>();
  const auto held = release->get_future().share();
  Pipeline pipeline("stuck-source");
  pipeline.add(native::source("items", [held](const Context&) {
    return [held]() -> std::optional<std::pair<std::string, Json>> {
      held.wait();
      return std::nullopt;
    };
  }));
  auto runner = start(pipeline);
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  runner->cancel("interrupted");
  EXPECT_FALSE(runner->wait(0.3));
  runner->abandon();
  EXPECT_TRUE(runner->wait(2));
  runner.reset();
  release->set_value();
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
}

TEST_F(RunnerTest, LimitsStopCleanly) {
  Pipeline pipeline("limits");
  pipeline.add(native::source("items", source_));
  pipeline.add(native::map("work", "items", [](const Context&, const Json& n) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    return n;
  }));
  RunOptions options;
  options.max_seconds = 0.2;
  const auto runner = run(pipeline, options);
  EXPECT_EQ(runner->status(), RunStatus::kCancelled);
  EXPECT_NE(runner->message().find("max_seconds"), std::string::npos);
  options.max_seconds = 0;
  options.max_memory = 1;
  EXPECT_NE(run(pipeline, options)->message().find("max_memory"), std::string::npos);
}

TEST_F(RunnerTest, MemoryIsBoundedByTheQueues) {
  items_ = 20'000;
  std::atomic<int> pulled{0};
  std::atomic<int> worked{0};
  std::atomic<int> most{0};
  Pipeline pipeline("bounded");
  pipeline.add(native::source("items", [&](const Context& ctx) {
    return [&, inner = source_(ctx)]() {
      const int ahead = ++pulled - worked;
      if (ahead > most) most = ahead;
      return inner();
    };
  }));
  pipeline.add(native::map("work", "items", [&](const Context&, const Json& n) {
    ++worked;
    return n;
  }));
  EXPECT_EQ(run(pipeline)->status(), RunStatus::kSucceeded);
  EXPECT_EQ(worked, 20'000);
  EXPECT_LT(most, 2 * 2048 + 1024);
}

TEST_F(RunnerTest, KeysTwiceAreNamed) {
  Pipeline pipeline("twice");
  pipeline.add(native::source("items", [](const Context&) {
    auto n = std::make_shared<int>(0);
    return [n]() -> std::optional<std::pair<std::string, Json>> {
      if (++*n > 4) return std::nullopt;
      return std::pair<std::string, Json>{"k" + std::to_string(*n % 3), *n};
    };
  }));
  pipeline.add(native::flat_map("parts", "items", [](const Context& ctx, const Json& n) {
    return ctx.key() == "\"k2\"" ? Keyed{{"x", n}, {"x", n}} : Keyed{{"x", n}};
  }));
  const auto runner = run(pipeline);
  std::set<std::string> stages;
  for (const Failure& failure : runner->failures()) {
    EXPECT_NE(failure.fault.message.find("twice"), std::string::npos);
    stages.insert(failure.stage + failure.key);
  }
  EXPECT_EQ(stages, (std::set<std::string>{"items\"k1\"", "parts\"k2\""}));
}

TEST_F(RunnerTest, TriggersAndStagesThatAreOff) {
  Pipeline pipeline("triggers");
  const auto one = [](const Context& ctx) { return ctx.with("x", 1); };
  pipeline.add(native::step("broken", [](const Context&) -> Context { throw ConfigurationError("broken"); }));
  pipeline.add(native::step("after", one)).after = {"broken"};
  Stage& mend = pipeline.add(native::step("mend", one));
  mend.after = {"broken"};
  mend.policy.trigger = Trigger::kOnFailure;
  Stage& always = pipeline.add(native::step("always", one));
  always.after = {"after"};
  always.policy.trigger = Trigger::kAlways;
  pipeline.add(native::step("off", one));
  RunOptions options;
  options.modes = {StageMode::kRun, StageMode::kRun, StageMode::kRun, StageMode::kRun, StageMode::kRun};
  const auto ordered = pipeline.ordered();
  for (std::size_t i = 0; i < ordered.size(); ++i) {
    if (ordered[i]->name() == "off") options.modes[i] = StageMode::kOff;
  }
  const auto runner = run(pipeline, options);
  EXPECT_EQ(runner->status(), RunStatus::kFailed);
  EXPECT_EQ(report(*runner, "after").status, RunStatus::kSkipped);
  EXPECT_EQ(report(*runner, "mend").status, RunStatus::kSucceeded);
  EXPECT_EQ(report(*runner, "always").status, RunStatus::kSucceeded);
  EXPECT_EQ(report(*runner, "off").status, RunStatus::kSkipped);
}

TEST_F(RunnerTest, ADamagedRecordStopsTheRunWithItsError) {
  run(every_form());
  const auto reader = open_store(path())->reader();
  const auto table = reader->query("SELECT id FROM stage WHERE name='double'").rows.at(0)[0];
  open_store(path())->execute("UPDATE units_" + std::to_string(std::get<std::int64_t>(table)) +
                              " SET value='99' WHERE item=7");
  const auto runner = run(every_form());
  EXPECT_EQ(runner->status(), RunStatus::kFailed);
  ASSERT_TRUE(runner->error());
  EXPECT_THROW(std::rethrow_exception(runner->error()), CheckpointCorruptionError);
}

TEST_F(RunnerTest, ADamagedItemOfThoseThatAreGoneStopsTheRunToo) {
  run(every_form());
  open_store(path())->execute("UPDATE items_1 SET key='\"other\"' WHERE id=250");
  items_ = 100;
  Pipeline pipeline = every_form();
  EXPECT_THROW(start(pipeline), CheckpointCorruptionError);
}

/// A disk without room for blobs, from some moment on.
class FullEnv : public Env {
 public:
  void write_file(const std::string& path, std::string_view bytes) const override {
    if (++files > 3) throw StorageError("can't write " + path + ": No space left on device");
    Env::write_file(path, bytes);
  }
  mutable std::atomic<int> files{0};
};

TEST_F(RunnerTest, AFullDiskEndsTheRunEvenWithUnitsThatRunOutOfTime) {
  items_ = 40;
  FullEnv env;
  Pipeline pipeline("full");
  pipeline.add(native::source("items", source_));
  Stage& work = pipeline.add(native::map("work", "items", [](const Context&, const Json& n) {
    std::this_thread::sleep_for(std::chrono::milliseconds(n.get<int>() % 5 == 4 ? 120 : 1));
    return Json(std::string(70'000, 'x') + n.dump());
  }));
  work.policy.timeout = 0.05;
  auto runner = std::make_unique<Runner>(pipeline, open_store(path(), true, env), RunOptions{});
  runner->start();
  ASSERT_TRUE(runner->wait(20));
  EXPECT_EQ(runner->status(), RunStatus::kFailed);
  ASSERT_TRUE(runner->error());
  EXPECT_THROW(std::rethrow_exception(runner->error()), StorageError);
  runner.reset();
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  work.policy.timeout = 0;
  const auto resumed = run(pipeline);
  EXPECT_TRUE(resumed->resumed());
  EXPECT_EQ(resumed->status(), RunStatus::kSucceeded);
  EXPECT_EQ(resumed->progress().stages.at(1).executed + resumed->progress().stages.at(1).skipped, 40);
}

TEST_F(RunnerTest, ProgressFromOtherThreads) {
  Pipeline pipeline = every_form();
  const auto runner = start(pipeline);
  std::thread watcher([&] {
    std::int64_t last = 0;
    while (!runner->wait(0)) {
      const Progress progress = runner->progress();
      ASSERT_GE(progress.stages.at(1).executed, last);
      last = progress.stages.at(1).executed;
      runner->warn("double", "", "look");
      runner->failures();
    }
  });
  runner->wait();
  watcher.join();
  EXPECT_EQ(runner->progress().stages.at(1).executed, 300);
  EXPECT_TRUE(runner->progress().stages.at(1).total_known);
}

}  // namespace headrace::test
