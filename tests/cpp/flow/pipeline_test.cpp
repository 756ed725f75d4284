#include "headrace/flow/pipeline.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "headrace/base/error.h"
#include "headrace/base/histogram.h"
#include "headrace/flow/native.h"
#include "item_index.h"

namespace headrace::test {

namespace {

using native::Json;

std::shared_ptr<Stage> step(const std::string& name, std::vector<std::string> after = {}) {
  auto stage = native::step(name, [](const Context& ctx) { return ctx; });
  stage->after = std::move(after);
  return stage;
}
std::shared_ptr<Stage> map(const std::string& name, const std::string& over) {
  return native::map(name, over, [](const Context&, const Json& value) { return value; });
}
std::shared_ptr<Stage> flat(const std::string& name, const std::string& over) {
  return native::flat_map(name, over, [](const Context&, const Json&) { return native::Keyed{}; });
}
std::shared_ptr<Stage> group(const std::string& name, const std::string& over, const std::string& by) {
  return native::group(name, over, by, [](const Context&, const native::Keyed&) { return Json(); });
}

std::string refusal(const Pipeline& pipeline) {
  try {
    pipeline.validate();
  } catch (const WorkflowValidationError& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST(Pipeline, OrdersStagesByWhatTheyDependOn) {
  Pipeline pipeline("p");
  pipeline.add(step("last", {"left", "right"}));
  pipeline.add(step("left", {"first"}));
  pipeline.add(step("right", {"first"}));
  pipeline.add(step("first"));
  std::vector<std::string> names;
  for (const auto& stage : pipeline.ordered()) names.push_back(stage->name());
  EXPECT_EQ(names.front(), "first");
  EXPECT_EQ(names.back(), "last");
  EXPECT_EQ(refusal(pipeline), "");
}

TEST(Pipeline, AStageOfTheSameNameTakesItsPlace) {
  Pipeline pipeline("p");
  pipeline.add(step("a"));
  Stage& second = pipeline.add(step("a"));
  EXPECT_EQ(pipeline.stages().size(), 1U);
  EXPECT_EQ(pipeline.stages()[0].get(), &second);
}

TEST(Pipeline, NamesWhatCanNotBe) {
  EXPECT_THROW(Pipeline(""), WorkflowValidationError);
  Pipeline pipeline("p");
  EXPECT_NE(refusal(pipeline).find("no stages"), std::string::npos);
  EXPECT_THROW(pipeline.add(step("")), WorkflowValidationError);
  pipeline.add(step("a", {"b"}));
  EXPECT_NE(refusal(pipeline).find("'b'"), std::string::npos);
  pipeline.add(step("b", {"a"}));
  EXPECT_NE(refusal(pipeline).find("cycle through 'a', 'b'"), std::string::npos);
  pipeline.add(step("b", {"b"}));
  EXPECT_NE(refusal(pipeline).find("itself"), std::string::npos);
}

TEST(Pipeline, FormsNeedTheirPlaces) {
  Pipeline pipeline("p");
  pipeline.add(step("items"));
  pipeline.add(map("work", ""));
  EXPECT_NE(refusal(pipeline).find("needs over="), std::string::npos);
  pipeline.add(map("work", "items"));
  EXPECT_EQ(refusal(pipeline), "");
  auto batch = native::batch("batch", "work", 0,
                             [](const Context&, const std::vector<Json>& values) { return values; });
  pipeline.add(batch);
  EXPECT_NE(refusal(pipeline).find("size"), std::string::npos);
}

TEST(Pipeline, AGroupsPartsComeOutOfItsParents) {
  Pipeline pipeline("p");
  pipeline.add(step("books"));
  pipeline.add(step("films"));
  pipeline.add(flat("pages", "books"));
  pipeline.add(map("words", "pages"));
  pipeline.add(group("whole", "words", "books"));
  EXPECT_EQ(refusal(pipeline), "");
  pipeline.add(group("whole", "words", "pages"));
  EXPECT_EQ(refusal(pipeline), "");
  pipeline.add(map("titles", "books"));
  pipeline.add(group("whole", "words", "titles"));
  EXPECT_EQ(refusal(pipeline), "");  // its keys are those of books
  pipeline.add(group("whole", "words", "films"));
  EXPECT_NE(refusal(pipeline).find("not made out of"), std::string::npos);
  pipeline.add(group("whole", "books", "books"));
  EXPECT_NE(refusal(pipeline).find("not made out of"), std::string::npos);
}

TEST(RetryPolicy, WaitsLongerUpToItsMost) {
  const RetryPolicy policy{5, 1.0, 3.0, 0.5, 10.0};
  EXPECT_DOUBLE_EQ(policy.delay_before(2, 0), 1);
  EXPECT_DOUBLE_EQ(policy.delay_before(3, 0), 3);
  EXPECT_DOUBLE_EQ(policy.delay_before(4, 0), 9);
  EXPECT_DOUBLE_EQ(policy.delay_before(5, 0), 10);
  EXPECT_DOUBLE_EQ(policy.delay_before(2, 0.5), 1.25);
}

TEST(ItemIndex, KnowsNewKnownAndTwice) {
  ItemIndex index;
  for (ItemId id = 1; id <= 5000; ++id) index.load("\"old" + std::to_string(id) + "\"", id);
  index.set_next(5001);
  ItemId id = 0;
  EXPECT_EQ(index.see("\"old7\"", id), ItemIndex::Seen::kKnown);
  EXPECT_EQ(id, 7);
  EXPECT_EQ(index.see("\"old7\"", id), ItemIndex::Seen::kTwice);
  EXPECT_EQ(id, 7);
  EXPECT_EQ(index.see("\"new\"", id), ItemIndex::Seen::kNew);
  EXPECT_EQ(id, 5001);
  EXPECT_EQ(index.see("\"new\"", id), ItemIndex::Seen::kTwice);
  std::int64_t unseen = 0;
  index.unseen([&](ItemId) { ++unseen; });
  EXPECT_EQ(unseen, 4999);
  EXPECT_EQ(index.size(), 5001);
}

TEST(Histogram, QuantilesAreWithinAFifthOfTheTruth) {
  Histogram histogram;
  EXPECT_EQ(histogram.quantile(0.5), 0);
  EXPECT_EQ(histogram.mean(), 0);
  Histogram one;
  one.add(1970);
  EXPECT_EQ(one.quantile(0.5), 1970);  // not the 2,047 of its bucket
  for (std::int64_t micros = 1; micros <= 10'000; ++micros) histogram.add(micros);
  EXPECT_EQ(histogram.count(), 10'000);
  EXPECT_NEAR(histogram.mean(), 5000.5, 0.01);
  for (const double q : {0.1, 0.5, 0.95, 0.99}) {
    EXPECT_GE(static_cast<double>(histogram.quantile(q)), q * 10'000 * 0.99);
    EXPECT_LE(static_cast<double>(histogram.quantile(q)), q * 10'000 * 1.26);
  }
  histogram.add(-5);
  histogram.add(std::int64_t{1} << 60);
  EXPECT_EQ(histogram.count(), 10'002);
}

}  // namespace headrace::test
