// Collection inside runs, with real processes.
#include "headrace/flow/collect_stage.h"

#include <nlohmann/json.hpp>
#include <thread>

#include "headrace/flow/native.h"
#include "support.h"

namespace headrace::test {

using native::Json;

class CollectStageTest : public Runs {
 protected:
  Pipeline pipeline(std::vector<Json> values, collect::ProcessOptions options, collect::Command command,
                    double timeout = 0) {
    Pipeline pipe("collecting", "1");
    pipe.add(native::source("items", [values = std::move(values)](const Context&) {
      auto next = std::make_shared<std::size_t>(0);
      return [values, next]() -> std::optional<std::pair<std::string, Json>> {
        if (*next >= values.size()) return std::nullopt;
        const std::size_t n = (*next)++;
        return std::pair<std::string, Json>{std::to_string(n), values[n]};
      };
    }));
    auto stage = process_stage("run", "{}", std::move(options), std::move(command));
    stage->over = "items";
    stage->policy.retry = retry_;
    if (timeout > 0) EXPECT_TRUE(stage->keeps_timeout(timeout));
    pipe.add(stage);
    return pipe;
  }
  Json result(const std::string& key) {
    const auto found = open_store(path())->reader()->query(
        "SELECT value FROM results WHERE stage='run' AND key=?1", {std::string("\"" + key + "\"")});
    return Json::parse(std::get<std::string>(found.rows.at(0).at(0)))["$data"][1];
  }
  static std::map<std::string, std::string> letters(const Runner& runner) {
    std::map<std::string, std::string> found;
    for (const Failure& failure : runner.failures()) found[failure.key] = failure.fault.error_type;
    return found;
  }

  RetryPolicy retry_;
};

TEST_F(CollectStageTest, OutcomesAreResultsOrDeadLetters) {
  const auto runner = run(pipeline({"a b", 7, "$HOME"}, {}, {"echo", "-n", "<{}>"}));
  EXPECT_EQ(runner->status(), RunStatus::kSucceeded);
  EXPECT_EQ(result("0")["stdout"], (Json{{"$bytes", "PGEgYj4="}}));
  EXPECT_EQ(result("1")["target"], 7);
  EXPECT_EQ(result("2")["stdout"], (Json{{"$bytes", "PCRIT01FPg=="}}));
  EXPECT_EQ(result("2")["exit_code"], 0);
}

TEST_F(CollectStageTest, TheValueMayBeTheCommandOrHaveItsFields) {
  const auto plain =
      run(pipeline({Json{"echo", "x"}, Json{{"$tuple", {"echo", 2}}}, "echo", Json::array()}, {}, {}));
  EXPECT_EQ(letters(*plain), (std::map<std::string, std::string>{{"\"2\"", "ConfigurationError"},
                                                                 {"\"3\"", "ConfigurationError"}}));
  EXPECT_EQ(result("1")["stdout"], (Json{{"$bytes", "Mgo="}}));
  std::filesystem::remove_all(folder_);
  std::filesystem::create_directories(folder_);
  run(pipeline({Json{{"name", "r1"}, {"as", 65001}}}, {}, {"echo", "{name}-{as}", "{{other}}"}));
  EXPECT_EQ(result("0")["stdout"], (Json{{"$bytes", "cjEtNjUwMDEge290aGVyfQo="}}));
}

TEST_F(CollectStageTest, ACommandWithAHoleInItDoesNotRun) {
  const auto runner = run(pipeline({Json{{"as", 1}}, "r1"}, {}, {"echo", "{name}", "{print $1}"}));
  EXPECT_EQ(letters(*runner), (std::map<std::string, std::string>{{"\"0\"", "ConfigurationError"}}));
  EXPECT_NE(runner->failures().at(0).fault.message.find("no field 'name'"), std::string::npos);
  EXPECT_EQ(result("1")["stdout"], (Json{{"$bytes", "e25hbWV9IHtwcmludCAkMX0K"}}));
}

TEST_F(CollectStageTest, EachKindOfFailureKeepsItsName) {
  collect::ProcessOptions options;
  options.max_output = 1000;
  const auto runner =
      run(pipeline({"exit 3", "sleep 60", "yes", "exit 0"}, options, {"sh", "-c", "{}"}, 0.5));
  EXPECT_EQ(letters(*runner), (std::map<std::string, std::string>{
                                  {"\"0\"", "exit"}, {"\"1\"", "timeout"}, {"\"2\"", "output_limit"}}));
  EXPECT_EQ(runner->status(), RunStatus::kPartial);
}

TEST_F(CollectStageTest, OnlyWhatAnotherAttemptMayMendIsRetried) {
  retry_.attempts = 3;
  const std::string tries = path("tries");
  const std::string script = "echo x >>" + tries + "; test $(wc -l <" + tries + ") -ge 3 || exit 75";
  const auto runner = run(pipeline({script, "exit 3"}, {}, {"sh", "-c", "{}"}));
  EXPECT_EQ(letters(*runner), (std::map<std::string, std::string>{{"\"1\"", "exit"}}));
  EXPECT_EQ(slurp(tries), "x\nx\nx\n");
  EXPECT_EQ(runner->failures()[0].attempts, 1);
}

TEST_F(CollectStageTest, ManyWaitAtOnceAndTheRunEndsThemWhenItIsCancelled) {
  std::vector<Json> values(40, "sleep 30");
  collect::ProcessOptions options;
  options.workers = 40;
  Runner runner(pipeline(values, options, {"sh", "-c", "{}"}), open_store(path()), RunOptions());
  runner.start();
  std::this_thread::sleep_for(std::chrono::milliseconds(1500));
  const auto began = std::chrono::steady_clock::now();
  runner.cancel("enough");
  EXPECT_TRUE(runner.wait(10));
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::milliseconds(400));
  runner.join();
  EXPECT_EQ(runner.status(), RunStatus::kCancelled);
  EXPECT_TRUE(runner.failures().empty());
}

}  // namespace headrace::test
