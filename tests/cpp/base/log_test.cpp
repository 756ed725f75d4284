#include "headrace/base/log.h"

#include <gtest/gtest.h>
#include <spdlog/logger.h>

#include <thread>

namespace headrace {
namespace {

TEST(LogLines, KeepsLinesUntilTheyAreTaken) {
  auto lines = std::make_shared<LogLines>();
  const Log log = LogLines::log(lines);
  log->info("one {}", 1);
  log->warn("two");
  log->debug("not shown: below info");
  const auto taken = lines->take();
  ASSERT_EQ(taken.size(), 2U);
  EXPECT_EQ(taken[0].text, "one 1");
  EXPECT_EQ(taken[0].level, 2);
  EXPECT_EQ(taken[1].level, 3);
  EXPECT_TRUE(lines->take().empty());
}

TEST(LogLines, SaysHowManyWereTooMany) {
  LogLines lines(2);
  for (int i = 0; i < 5; ++i) lines.put(2, std::to_string(i));
  const auto taken = lines.take();
  ASSERT_EQ(taken.size(), 3U);
  EXPECT_EQ(taken[0].text, "3 log lines were dropped: too many at once");
  EXPECT_EQ(taken[1].text, "3");
  EXPECT_EQ(taken[2].text, "4");
}

TEST(LogLines, TakesFromManyThreads) {
  auto lines = std::make_shared<LogLines>();
  const Log log = LogLines::log(lines);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 1000; ++i) log->info("line");
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(lines->take().size(), 4000U);
}

}  // namespace
}  // namespace headrace
