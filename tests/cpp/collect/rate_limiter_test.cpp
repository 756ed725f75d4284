#include "headrace/collect/rate_limiter.h"

#include <gtest/gtest.h>

namespace headrace::collect {

namespace {

using namespace std::chrono_literals;
const RateLimiter::Clock::time_point kStart{1000s};

}  // namespace

TEST(RateLimiter, SpacesTokensEvenly) {
  RateLimiter limiter(10, 1);
  EXPECT_EQ(limiter.reserve("a", kStart), kStart);
  EXPECT_EQ(limiter.reserve("a", kStart), kStart + 100ms);
  EXPECT_EQ(limiter.reserve("a", kStart + 50ms), kStart + 200ms);
}

TEST(RateLimiter, KeysDoNotShare) {
  RateLimiter limiter(1, 1);
  EXPECT_EQ(limiter.reserve("a", kStart), kStart);
  EXPECT_EQ(limiter.reserve("b", kStart), kStart);
}

TEST(RateLimiter, SavesUpToABurst) {
  RateLimiter limiter(10, 3);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(limiter.reserve("a", kStart), kStart);
  EXPECT_EQ(limiter.reserve("a", kStart), kStart + 100ms);
  // After a long rest: three again, not more.
  for (int i = 0; i < 3; ++i) EXPECT_EQ(limiter.reserve("a", kStart + 60s), kStart + 60s);
  EXPECT_EQ(limiter.reserve("a", kStart + 60s), kStart + 60s + 100ms);
}

TEST(RateLimiter, WithoutARateOnlyPausesCount) {
  RateLimiter limiter(0, 1);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(limiter.reserve("a", kStart), kStart);
  limiter.pause("a", kStart + 2s);
  EXPECT_EQ(limiter.reserve("a", kStart), kStart + 2s);
  EXPECT_EQ(limiter.open_at("a", kStart), kStart + 2s);
  EXPECT_EQ(limiter.open_at("a", kStart + 3s), kStart + 3s);
  EXPECT_EQ(limiter.open_at("b", kStart), kStart);
}

TEST(RateLimiter, TokensAfterAPauseAreSpacedToo) {
  RateLimiter limiter(10, 1);
  limiter.pause("a", kStart + 2s);
  EXPECT_EQ(limiter.reserve("a", kStart), kStart + 2s);
  EXPECT_EQ(limiter.reserve("a", kStart), kStart + 2s + 100ms);
}

TEST(RateLimiter, ShorterPauseDoesNotCutALongerOne) {
  RateLimiter limiter(0, 1);
  limiter.pause("a", kStart + 5s);
  limiter.pause("a", kStart + 1s);
  EXPECT_EQ(limiter.open_at("a", kStart), kStart + 5s);
}

}  // namespace headrace::collect
