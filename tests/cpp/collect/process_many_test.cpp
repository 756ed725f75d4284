// Many commands: done by several threads, and seen by the caller as if it were one.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <thread>

#include "fd.h"
#include "headrace/base/error.h"
#include "headrace/collect/process.h"
#include "support.h"

namespace headrace::collect {

namespace {

ProcessOptions with_workers(int64_t workers) {
  ProcessOptions options;
  options.workers = workers;
  return options;
}

/// Children of all threads of this process.
int64_t children() {
  int64_t count = 0;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream file(task.path() / "children");
    for (std::string pid; file >> pid;) ++count;
  }
  return count;
}

/// What it is told by two threads at once, it counts.
class StrictSink : public Gather {
 public:
  using Gather::Gather;
  void put(Outcome outcome) override {
    if (inside_.exchange(true)) ++collisions;
    Gather::put(std::move(outcome));
    std::this_thread::sleep_for(std::chrono::microseconds(200));
    inside_ = false;
  }
  std::atomic<int> collisions{0};

 private:
  std::atomic<bool> inside_{false};
};

/// While it lives, this process can open only so many descriptors more.
class FewDescriptors {
 public:
  explicit FewDescriptors(int room) {
    make_types_known();
    ::getrlimit(RLIMIT_NOFILE, &before_);
    fill_.emplace_back(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    for (int fd = 0; fd < kLimit; ++fd) {
      if (::fcntl(fd, F_GETFD) < 0) fill_.emplace_back(::fcntl(fill_[0].get(), F_DUPFD_CLOEXEC, fd));
    }
    fill_.resize(fill_.size() - room);
    const rlimit few{kLimit, before_.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &few);
  }
  ~FewDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  /// UBSan opens a pipe to look at an object of a type that it has not seen yet.
  static void make_types_known() {
    EXPECT_TRUE(ProcessCollector(with_workers(1)).run({"true"}).ok);
    try {
      throw ResourceError("known");
    } catch (const ResourceError& error) {
      EXPECT_STREQ(error.what(), "known");
    }
  }

  static constexpr int kLimit = 128;
  rlimit before_{};
  std::vector<UniqueFd> fill_;
};

/// Seconds that this machine now takes for a hundred processes that do nothing, one after the other.
double reference_seconds() {
  const Stopwatch watch;
  for (int i = 0; i < 100; ++i) EXPECT_EQ(std::system("true"), 0);
  return watch.seconds();
}

}  // namespace

TEST(ManyProcesses, EachTargetIsDoneOnceAndTheSinkIsToldOneByOne) {
  std::vector<Command> commands;
  for (int i = 0; i < 300; ++i) commands.push_back({"echo", std::to_string(i)});
  StrictSink sink(commands.size());
  ProcessCollector(with_workers(32)).collect(commands, sink);
  EXPECT_EQ(sink.order.size(), commands.size());
  EXPECT_EQ(sink.collisions, 0);
  for (int i = 0; i < 300; ++i) {
    EXPECT_EQ(sink.outcomes[i].std_out, std::to_string(i) + "\n");
    EXPECT_EQ(sink.outcomes[i].attempts, 1);
  }
}

TEST(ManyProcesses, NoMoreThanWorkersRunAtOnce) {
  const std::vector<Command> commands(33, {"sleep", "0.5"});
  std::atomic<bool> done{false};
  int64_t most = 0;
  std::thread watcher([&] {
    for (; !done; std::this_thread::sleep_for(std::chrono::milliseconds(1)))
      most = std::max(most, children());
  });
  Gather gather(commands.size());
  ProcessCollector(with_workers(11)).collect(commands, gather);
  done = true;
  watcher.join();
  EXPECT_LE(most, 11);
  EXPECT_GE(most, 9);
}

TEST(ManyProcesses, WhatTheSinkThrowsEndsAllOfThem) {
  std::vector<Command> commands(100, {"sleep", "60"});
  commands[0] = {"true"};
  const CancelToken cancel;
  CallbackSink sink([](const Outcome& outcome) {
    if (outcome.ok) throw std::runtime_error("enough");
  });
  const Stopwatch watch;
  EXPECT_THROW(ProcessCollector(with_workers(16)).collect(commands, sink, cancel), std::runtime_error);
  EXPECT_LT(watch.seconds(), 2);
  EXPECT_FALSE(cancel.cancelled());
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);
}

// Each of them is found and killed with its child; best of three, as the machine may be busy. A slow one gets
// more time, though never as much as it would take to wait for any of them.
TEST(ManyProcesses, ManyStubbornTreesAreEndedAtOnce) {
  const std::vector<Command> commands(100, {"sh", "-c", "trap '' TERM; sleep 300 & wait; sleep 300"});
  double best = 10;
  double limit = 0.25;
  for (int tries = 0; tries < 3 && best >= limit; ++tries) {
    limit = std::clamp(3 * reference_seconds(), limit, 1.0);
    const auto stream = ProcessCollector(with_workers(100)).stream(commands, 1000);
    ASSERT_TRUE(eventually([] { return children() == 100; }));
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    const Stopwatch watch;
    stream->close();
    best = std::min(best, watch.seconds());
    EXPECT_EQ(children(), 0);
  }
  EXPECT_LT(best, limit);
}

// The time that it would wait at the most is not waited out again and again.
TEST(ManyProcesses, AReaderWaitsForNoMoreThanMayWait) {
  const std::vector<Command> commands(40, {"true"});
  const auto stream = ProcessCollector(with_workers(4)).stream(commands, 8);
  const Stopwatch watch;
  size_t taken = 0;
  while (!stream->exhausted()) taken += stream->take(20, 40).size();
  EXPECT_EQ(taken, 40);
  EXPECT_LT(watch.seconds(), 20);
}

// There is room for one of them at a time, and two threads that take it from each other: each is done all the
// same.
TEST(ManyProcesses, ThoseThatGiveUpAtTheSameMomentAreTriedAgain) {
  const std::vector<Command> commands(40, {"true"});
  ProcessCollector collector(with_workers(16));
  const FewDescriptors few(2 * 2 + 7);  // two for the loop of each of two threads; five make a process
  for (int round = 0; round < 10; ++round) {
    Gather gather(commands.size());
    collector.collect(commands, gather);
    for (const Outcome& outcome : gather.outcomes) {
      EXPECT_TRUE(outcome.ok) << outcome.message;
      EXPECT_EQ(outcome.attempts, 1);
    }
  }
}

// What nobody has room for is said, for each target, and soon.
TEST(ManyProcesses, WhereNoneHasRoomEachFails) {
  const std::vector<Command> commands(40, {"true"});
  ProcessCollector collector(with_workers(16));
  const FewDescriptors few(2 + 1);  // for one loop, not for that of a helper, nor for any process
  const Stopwatch watch;
  Gather gather(commands.size());
  collector.collect(commands, gather);
  for (const Outcome& outcome : gather.outcomes)
    EXPECT_NE(outcome.message.find("Too many open"), std::string::npos);
  EXPECT_LT(watch.seconds(), 20);
}

TEST(ManyProcesses, AReaderMayWaitForSeveralOutcomes) {
  std::vector<Command> commands(40, {"true"});
  commands.push_back({"sleep", "0.6"});
  const auto stream = ProcessCollector(with_workers(41)).stream(commands, 1000);
  EXPECT_EQ(stream->take(30, 40).size(), 40);
  EXPECT_TRUE(stream->take(0.01, 40).empty());  // the time is over
  EXPECT_EQ(stream->take(30, 40).size(), 1);    // no more will come
  EXPECT_TRUE(stream->exhausted());
}

}  // namespace headrace::collect
