#pragma once

#include <dirent.h>

#include <chrono>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "headrace/collect/sink.h"

namespace headrace::collect {

/// Keeps outcomes by the index of their target.
class Gather : public OutcomeSink {
 public:
  explicit Gather(size_t targets) : outcomes(targets) {}
  void put(Outcome outcome) override {
    order.push_back(outcome.index);
    outcomes.at(outcome.index) = std::move(outcome);
  }

  std::vector<Outcome> outcomes;
  std::vector<int64_t> order;
};

class Stopwatch {
 public:
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

inline int open_descriptors() {
  int count = 0;
  DIR* directory = ::opendir("/proc/self/fd");
  while (::readdir(directory) != nullptr) ++count;
  ::closedir(directory);
  return count;
}

/// Waits up to two seconds for something that other processes do.
inline bool eventually(const std::function<bool()>& condition) {
  for (int i = 0; i < 200; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

}  // namespace headrace::collect
