#include "headrace/flow/native.h"

#include <chrono>
#include <nlohmann/json.hpp>

namespace headrace::native {

namespace {

std::string text(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}
Json parse(const Value& value) {
  return value.empty() ? Json() : Json::parse(value.bytes());
}
std::string key_of(const Unit& unit) {
  return unit.item ? unit.item->key : std::string();
}

template <typename Kind>
bool is(const std::exception& error) {
  return dynamic_cast<const Kind*>(&error) != nullptr;
}

Fault fault_of(const std::exception& error) {
  Fault fault;
  fault.message = error.what();
  fault.error_type = is<TimeoutError>(error)         ? "TimeoutError"
                     : is<ResourceError>(error)      ? "ResourceError"
                     : is<ConfigurationError>(error) ? "ConfigurationError"
                                                     : "StageError";
  fault.category = is<TimeoutError>(error)         ? Category::kTransient
                   : is<ResourceError>(error)      ? Category::kResource
                   : is<ConfigurationError>(error) ? Category::kConfiguration
                                                   : Category::kPermanent;
  fault.retryable = is<TimeoutError>(error) || is<ResourceError>(error);
  return fault;
}

/// A stage whose units are done one by one by a function over the unit.
class UnitStage final : public Stage {
 public:
  using Function = std::function<void(const Context&, const Unit&, UnitResult&)>;
  UnitStage(std::string name, Form form, std::string version, Function function)
      : Stage(std::move(name), form), version_(std::move(version)), function_(std::move(function)) {}

  std::string identity() const override { return text({{"version", version_}}); }

  std::vector<Emitted> split(const RunInfo&, const Value& value) override {
    std::vector<Emitted> items;
    const Json object = parse(value);
    for (const auto& [key, item] : object.items())
      items.push_back({text(key), Value::json(text(item)), {}, {}});
    return items;
  }

  void run(const RunInfo& run, Slice& slice) override {
    for (std::size_t i = 0; i < slice.units.size(); ++i) {
      const auto began = std::chrono::steady_clock::now();
      try {
        function_(Context(run, key_of(slice.units[i]), slice.units[i].attempt), slice.units[i],
                  slice.results[i]);
      } catch (const std::exception& error) {
        slice.results[i].fault = fault_of(error);
      }
      const auto spent = std::chrono::steady_clock::now() - began;
      slice.results[i].micros = std::chrono::duration_cast<std::chrono::microseconds>(spent).count();
    }
  }

 private:
  std::string version_;
  Function function_;
};

class BatchStage final : public Stage {
 public:
  using Function = std::function<std::vector<Json>(const Context&, const std::vector<Json>&)>;
  BatchStage(std::string name, std::string version, Function function)
      : Stage(std::move(name), Form::kBatch), version_(std::move(version)), function_(std::move(function)) {}

  std::string identity() const override { return text({{"version", version_}}); }

  void run(const RunInfo& run, Slice& slice) override {
    std::vector<Json> values;
    for (const Unit& unit : slice.units) values.push_back(parse(unit.value));
    try {
      const auto answers = function_(Context(run, ""), values);
      if (answers.size() != values.size()) {
        throw ConfigurationError("batch '" + name() + "' returned " + std::to_string(answers.size()) +
                                 " results for " + std::to_string(values.size()) + " values");
      }
      for (std::size_t i = 0; i < answers.size(); ++i) slice.results[i].value = Value::json(text(answers[i]));
    } catch (const std::exception& error) {
      for (UnitResult& result : slice.results) result.fault = fault_of(error);
    }
  }

 private:
  std::string version_;
  Function function_;
};

using Next = std::function<std::optional<std::pair<std::string, Json>>()>;

class FunctionStream final : public SourceStream {
 public:
  explicit FunctionStream(Next next) : next_(std::move(next)) {}
  bool next(std::size_t most, std::vector<Emitted>& out) override {
    for (std::size_t i = 0; i < most; ++i) {
      auto item = next_();
      if (!item) return false;
      out.push_back({text(item->first), Value::json(text(item->second)), {}, {}});
    }
    return true;
  }

 private:
  Next next_;
};

class SourceStage final : public Stage {
 public:
  SourceStage(std::string name, std::string version, std::function<Next(const Context&)> make)
      : Stage(std::move(name), Form::kSource), version_(std::move(version)), make_(std::move(make)) {}
  std::string identity() const override { return text({{"version", version_}}); }
  void run(const RunInfo&, Slice&) override {}
  std::unique_ptr<SourceStream> open(const RunInfo& run) override {
    return std::make_unique<FunctionStream>(make_(Context(run, "")));
  }

 private:
  std::string version_;
  std::function<Next(const Context&)> make_;
};

}  // namespace

std::shared_ptr<Stage> step(std::string name, std::function<Context(const Context&)> function,
                            std::string version) {
  return std::make_shared<UnitStage>(
      std::move(name), Form::kStep, std::move(version),
      [function = std::move(function)](const Context& ctx, const Unit&, UnitResult& result) {
        result.value = Value::json(text(function(ctx).since(ctx)));
      });
}

std::shared_ptr<Stage> source(std::string name, std::function<Next(const Context&)> make,
                              std::string version) {
  return std::make_shared<SourceStage>(std::move(name), std::move(version), std::move(make));
}

std::shared_ptr<Stage> map(std::string name, std::string over,
                           std::function<Json(const Context&, const Json&)> function, std::string version) {
  auto stage = std::make_shared<UnitStage>(
      std::move(name), Form::kMap, std::move(version),
      [function = std::move(function)](const Context& ctx, const Unit& unit, UnitResult& result) {
        result.value = Value::json(text(function(ctx, parse(unit.value))));
      });
  stage->over = std::move(over);
  return stage;
}

std::shared_ptr<Stage> flat_map(std::string name, std::string over,
                                std::function<Keyed(const Context&, const Json&)> function,
                                std::string version) {
  auto stage = std::make_shared<UnitStage>(
      std::move(name), Form::kFlatMap, std::move(version),
      [function = std::move(function)](const Context& ctx, const Unit& unit, UnitResult& result) {
        for (auto& [key, value] : function(ctx, parse(unit.value))) {
          result.children.push_back({text(key), Value::json(text(value)), {}, {}});
        }
      });
  stage->over = std::move(over);
  return stage;
}

std::shared_ptr<Stage> batch(
    std::string name, std::string over, int size,
    std::function<std::vector<Json>(const Context&, const std::vector<Json>&)> function,
    std::string version) {
  auto stage = std::make_shared<BatchStage>(std::move(name), std::move(version), std::move(function));
  stage->over = std::move(over);
  stage->policy.size = size;
  return stage;
}

std::shared_ptr<Stage> group(std::string name, std::string over, std::string by,
                             std::function<Json(const Context&, const Keyed&)> function,
                             std::string version) {
  auto stage = std::make_shared<UnitStage>(
      std::move(name), Form::kGroup, std::move(version),
      [function = std::move(function)](const Context& ctx, const Unit& unit, UnitResult& result) {
        Keyed parts;
        for (const Part& part : *unit.parts) parts.emplace_back(part.item->key, parse(part.value));
        result.value = Value::json(text(function(ctx, parts)));
      });
  stage->over = std::move(over);
  stage->by = std::move(by);
  return stage;
}

}  // namespace headrace::native
