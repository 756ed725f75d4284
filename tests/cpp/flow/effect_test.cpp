// Intents of effects: which of them stay after a failure, so that the stage is asked what happened.
#include <map>
#include <nlohmann/json.hpp>

#include "headrace/flow/native.h"
#include "support.h"

namespace headrace::test {

namespace {

/// What the outside world does with each key, and what the stage was told of it.
struct World {
  std::string fault;  ///< type of the error that every unit ends with; empty: all is well
  bool retryable = false;
  std::map<std::string, std::vector<bool>> doubted;  ///< key -> unit.reconcile of each attempt
};

class Effect final : public Stage {
 public:
  Effect(World& world, bool reconciles, int attempts) : Stage("act", Form::kMap), world_(world) {
    over = "items";
    policy.effect = true;
    policy.reconciles = reconciles;
    policy.retry.attempts = attempts;
    policy.workers = 1;
  }

  void run(const RunInfo&, Slice& slice) override {
    for (std::size_t i = 0; i < slice.units.size(); ++i) {
      world_.doubted[slice.units[i].item->key].push_back(slice.units[i].reconcile);
      if (world_.fault.empty()) {
        slice.results[i].value = Value::json("1");
      } else {
        slice.results[i].fault =
            Fault{world_.fault, "it failed", "", Category::kTransient, world_.retryable, false, false};
      }
    }
  }

 private:
  World& world_;
};

}  // namespace

class EffectTest : public Runs {
 protected:
  void act(bool reconciles, int attempts = 1) {
    Pipeline pipeline("effects");
    pipeline.add(native::source("items", [](const Context&) {
      return [n = 0]() mutable -> std::optional<std::pair<std::string, native::Json>> {
        if (n == 2) return std::nullopt;
        return std::pair<std::string, native::Json>{std::string(1, static_cast<char>('a' + n)), n++};
      };
    }));
    pipeline.add(std::make_shared<Effect>(world_, reconciles, attempts));
    run(pipeline);
  }
  std::size_t intents() { return open_store(path())->reader()->query("SELECT * FROM effect").rows.size(); }

  World world_;
};

TEST_F(EffectTest, OneThatCanBeAskedIsAskedAfterAnyFailure) {
  world_.fault = "ConnectionError";
  act(true);
  EXPECT_EQ(intents(), 2U);
  world_.fault.clear();
  act(true);
  EXPECT_EQ(intents(), 0U);
  for (const auto& [key, doubted] : world_.doubted)
    EXPECT_EQ(doubted, (std::vector<bool>{false, true})) << key;
  act(true);
  EXPECT_EQ(world_.doubted["\"a\""].size(), 2U);  // done is done
}

TEST_F(EffectTest, OneThatCanNotBeAskedIsTakenAtItsWord) {
  world_.fault = "ConnectionError";
  world_.retryable = true;
  act(false, 3);
  EXPECT_EQ(intents(), 0U);
  for (const auto& [key, doubted] : world_.doubted)
    EXPECT_EQ(doubted, (std::vector<bool>{false, false, false})) << key;
}

TEST_F(EffectTest, AnEffectThatWasCutOffIsNeverForgotten) {
  for (const char* fault : {"TimeoutError", "ResourceError", "StateInconsistencyError"}) {
    world_ = World{fault, false, {}};
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
    act(false);
    EXPECT_EQ(intents(), 2U) << fault;
    act(false);
    EXPECT_EQ(world_.doubted["\"b\""], (std::vector<bool>{false, true})) << fault;
  }
}

}  // namespace headrace::test
