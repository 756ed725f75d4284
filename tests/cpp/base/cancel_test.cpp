#include "headrace/base/cancel.h"

#include <gtest/gtest.h>

#include <optional>
#include <thread>
#include <vector>

namespace headrace {

TEST(CancelToken, CopiesShareTheFlag) {
  const CancelToken token;
  const CancelToken copy = token;
  EXPECT_FALSE(copy.cancelled());
  token.cancel();
  EXPECT_TRUE(copy.cancelled());
  EXPECT_FALSE(CancelToken().cancelled());
}

TEST(CancelToken, WakersAreCalledWhileTheyLive) {
  const CancelToken token;
  int first = 0;
  int second = 0;
  std::optional<CancelToken::Waker> gone(std::in_place, token, [&] { ++first; });
  const CancelToken::Waker kept(token, [&] { ++second; });
  gone.reset();
  token.cancel();
  EXPECT_EQ(first, 0);
  EXPECT_EQ(second, 1);
}

TEST(CancelToken, ManyThreadsMayWatchAndSetIt) {
  const CancelToken token;
  std::atomic<int> woken{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      const CancelToken::Waker waker(token, [&] { ++woken; });
      while (!token.cancelled()) std::this_thread::yield();
    });
  }
  token.cancel();
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(token.cancelled());
  EXPECT_LE(woken, 8);
}

}  // namespace headrace
