#include "headrace/collect/policy.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <string>

#include "headrace/base/error.h"

namespace headrace::collect {

TEST(RetryPolicy, PausesGrowUpToTheirLimit) {
  const RetryPolicy retry{.attempts = 9, .delay = 1, .multiplier = 3, .jitter = 0, .max_delay = 10};
  EXPECT_EQ(retry.delay_before(1, 0), 0);
  EXPECT_EQ(retry.delay_before(2, 0), 1);
  EXPECT_EQ(retry.delay_before(3, 0), 3);
  EXPECT_EQ(retry.delay_before(4, 0), 9);
  EXPECT_EQ(retry.delay_before(5, 0), 10);
  EXPECT_EQ(retry.delay_before(100'000, 0), 10);
}

TEST(RetryPolicy, JitterVariesBothWays) {
  const RetryPolicy retry{.attempts = 2, .delay = 10, .multiplier = 1, .jitter = 0.2};
  EXPECT_DOUBLE_EQ(retry.delay_before(2, 0), 8);
  EXPECT_DOUBLE_EQ(retry.delay_before(2, 0.5), 10);
  EXPECT_DOUBLE_EQ(retry.delay_before(2, 1), 12);
}

TEST(RetryPolicy, NoDelayIsNoDelayHoweverOften) {
  const RetryPolicy retry{.attempts = 9, .delay = 0, .multiplier = 1e9};
  EXPECT_EQ(retry.delay_before(1000, 1), 0);
}

TEST(Limits, NameTheFieldThatIsWrong) {
  const auto message = [](const std::function<void(Limits&)>& change) -> std::string {
    Limits limits;
    change(limits);
    try {
      limits.validate();
    } catch (const ConfigurationError& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_EQ(message([](Limits&) {}), "");
  EXPECT_EQ(message([](Limits& l) { l.workers = 0; }), "workers must be at least 1");
  EXPECT_EQ(message([](Limits& l) { l.timeout = -1; }), "timeout must be a number of seconds above 0");
  EXPECT_EQ(message([](Limits& l) { l.timeout = std::nan(""); }),
            "timeout must be a number of seconds above 0");
  EXPECT_EQ(message([](Limits& l) { l.max_output = 0; }), "max_output must be a number of bytes, at least 1");
  EXPECT_EQ(message([](Limits& l) { l.retry.attempts = 0; }), "retry: attempts must be at least 1");
  EXPECT_EQ(message([](Limits& l) { l.retry.delay = INFINITY; }),
            "retry: delay must be a number of seconds, at least 0");
  EXPECT_EQ(message([](Limits& l) { l.retry.multiplier = 0.5; }), "retry: multiplier must be at least 1");
  EXPECT_EQ(message([](Limits& l) { l.retry.jitter = 2; }), "retry: jitter must be between 0 and 1");
}

}  // namespace headrace::collect
