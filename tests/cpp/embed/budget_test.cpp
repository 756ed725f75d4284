#include "headrace/embed/budget.h"

#include <gtest/gtest.h>

#include <cmath>

namespace headrace::embed {
namespace {

// Runs the calibration on a machine whose cost per token is the given function of the budget and the third.
template <class Cost>
int64_t found(Cost cost) {
  BatchBudget budget(0);
  for (int i = 0; i < 400 && !budget.known(); ++i) {
    const BatchBudget::Trial trial = budget.next();
    budget.record(trial, 100, 100 * cost(static_cast<double>(trial.budget), trial.third));
  }
  EXPECT_TRUE(budget.known());
  return budget.best();
}

TEST(BatchBudget, FindsTheCheapest) {
  for (const double best : {64.0, 256.0, 512.0, 1024.0, 8192.0}) {
    EXPECT_EQ(found([&](double budget, int64_t) { return 1 + std::abs(std::log2(budget / best)); }), best);
  }
}

TEST(BatchBudget, StaysWhereNothingIsGained) {
  EXPECT_EQ(found([](double, int64_t) { return 1.0; }), 512);
  EXPECT_EQ(found([](double budget, int64_t) { return budget < 300 ? 0.98 : 1.0; }), 512);
  EXPECT_EQ(found([](double budget, int64_t) { return 1.0 / budget; }), 65536);
}

// The curve of a real encoder: long texts want small batches, short ones big ones.
TEST(BatchBudget, WeighsAllLengths) {
  const auto cost = [](double budget, int64_t third) {
    const double best = third == 0 ? 256 : third == 1 ? 512 : 2048;
    return 1 + 0.1 * std::abs(std::log2(budget / best));
  };
  EXPECT_EQ(found(cost), 512);
}

TEST(BatchBudget, OneSlowBatchDoesntDecide) {
  int i = 0;
  EXPECT_EQ(found([&](double budget, int64_t) { return i++ == 1        ? 1000.0
                                                       : budget == 512 ? 1.0
                                                                       : 1.5; }),
            512);
}

TEST(BatchBudget, AGivenOneStays) {
  BatchBudget budget(300);
  EXPECT_TRUE(budget.known());
  budget.record({300, 0}, 10, 1);
  EXPECT_EQ(budget.next().budget, 300);
}

}  // namespace
}  // namespace headrace::embed
