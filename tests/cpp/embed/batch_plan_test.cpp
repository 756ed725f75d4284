#include "headrace/embed/batch_plan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace headrace::embed {
namespace {

std::vector<int64_t> lengths(size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::lognormal_distribution<double> lengths(4.36, 0.85);
  std::vector<int64_t> counts(count);
  for (int64_t& length : counts) length = std::clamp<int64_t>(static_cast<int64_t>(lengths(random)), 12, 256);
  std::sort(counts.rbegin(), counts.rend());
  return counts;
}

TEST(PlanBatches, CoversEveryTextOnceAndKeepsTheLimits) {
  for (unsigned seed = 0; seed < 30; ++seed) {
    const std::vector<int64_t> counts = lengths(1 + seed * 17, seed);
    const BatchLimits limits{static_cast<int64_t>(1 + seed * 40), static_cast<int64_t>(1 + seed % 9)};
    int64_t next = 0;
    for (const BatchRange& range : plan_batches(counts, limits)) {
      EXPECT_EQ(range.begin, next);
      next = range.end;
      const int64_t texts = range.end - range.begin;
      ASSERT_GE(texts, 1);
      EXPECT_LE(texts, limits.max_batch);
      EXPECT_TRUE(texts == 1 || texts * counts[static_cast<size_t>(range.begin)] <= limits.max_tokens);
    }
    EXPECT_EQ(next, static_cast<int64_t>(counts.size()));
  }
}

TEST(PlanBatches, PadsLittleAndStillFillsTheBudget) {
  const std::vector<int64_t> counts = lengths(1024, 7);
  int64_t real = 0;
  for (const int64_t count : counts) real += count;
  for (const int64_t budget : {512, 2048}) {
    const std::vector<BatchRange> batches = plan_batches(counts, {budget, 128});
    int64_t padded = 0;
    for (const BatchRange& range : batches)
      padded += (range.end - range.begin) * counts[static_cast<size_t>(range.begin)];
    EXPECT_LE(static_cast<double>(padded), (budget == 512 ? 1.01 : 1.02) * static_cast<double>(real));
    EXPECT_GE(real / static_cast<int64_t>(batches.size()), budget * 3 / 5);
  }
}

TEST(PlanBatches, NothingGivesNothing) {
  EXPECT_TRUE(plan_batches({}, {}).empty());
  const std::vector<int64_t> zeros = {0, 0};
  EXPECT_EQ(plan_batches(zeros, {}).size(), 1U);
}

}  // namespace
}  // namespace headrace::embed
