#include "headrace/embed/budget.h"

#include <gtest/gtest.h>

#include <cmath>

namespace headrace::embed {
namespace {

// Runs the calibration on a machine whose cost per token is the given function of the budget.
template <class Cost>
int64_t found(Cost cost) {
  BatchBudget budget(0);
  for (int i = 0; i < 200 && !budget.known(); ++i) {
    const int64_t candidate = budget.candidate();
    budget.record(candidate, 100, 100 * cost(candidate));
  }
  EXPECT_TRUE(budget.known());
  return budget.best();
}

TEST(BatchBudget, FindsTheCheapest) {
  for (const double best : {64.0, 256.0, 512.0, 1024.0, 8192.0}) {
    EXPECT_EQ(
        found([&](int64_t budget) { return 1 + std::abs(std::log2(static_cast<double>(budget) / best)); }),
        best);
  }
}

TEST(BatchBudget, PrefersTheSmallerOfEquals) {
  EXPECT_EQ(found([](int64_t budget) { return budget < 300 ? 1.02 : 1.0; }), 64);
  EXPECT_EQ(found([](int64_t budget) { return 1.0 / static_cast<double>(budget); }), 65536);
}

TEST(BatchBudget, OneSlowBatchDoesntDecide) {
  BatchBudget budget(0);
  for (int i = 0; i < 60 && !budget.known(); ++i) {
    const int64_t candidate = budget.candidate();
    const double cost = candidate == 512 ? 1 : 1.5;
    budget.record(candidate, 100, i == 1 ? 1000 : 100 * cost);
  }
  EXPECT_EQ(budget.best(), 512);
}

TEST(BatchBudget, AGivenOneStays) {
  BatchBudget budget(300);
  EXPECT_TRUE(budget.known());
  budget.record(300, 10, 1);
  EXPECT_EQ(budget.candidate(), 300);
}

}  // namespace
}  // namespace headrace::embed
