#include "parallel.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <string>
#include <thread>

#include "headrace/base/error.h"

namespace headrace::text {

namespace {

// Texts are handed out in groups of about this many code points: large enough that the counter costs nothing.
constexpr int64_t kGroupSize = 1 << 18;

std::vector<size_t> group_starts(const std::vector<TextView>& texts) {
  std::vector<size_t> starts;
  int64_t held = kGroupSize;
  for (size_t i = 0; i < texts.size(); ++i) {
    if (held >= kGroupSize) {
      starts.push_back(i);
      held = 0;
    }
    held += texts[i].size() + 1;
  }
  starts.push_back(texts.size());
  return starts;
}

class Groups {
 public:
  Groups(const std::vector<TextView>& texts, const std::function<void(size_t, size_t)>& work)
      : starts_(group_starts(texts)), work_(work) {}

  int count() const { return static_cast<int>(starts_.size()) - 1; }

  // One thread's share: groups until none is left. Nothing may escape from a thread.
  void run() noexcept {
    try {
      for (size_t group = next_++; group + 1 < starts_.size(); group = next_++)
        work_(starts_[group], starts_[group + 1]);
    } catch (...) {
      next_ = starts_.size();
      const std::lock_guard<std::mutex> lock(mutex_);
      if (!error_) error_ = std::current_exception();
    }
  }

  // Once all threads have ended.
  void rethrow() const {
    if (error_) std::rethrow_exception(error_);
  }

 private:
  std::vector<size_t> starts_;
  const std::function<void(size_t, size_t)>& work_;
  std::atomic<size_t> next_{0};
  std::mutex mutex_;
  std::exception_ptr error_;  // guarded by mutex_
};

}  // namespace

void for_each_group(const std::vector<TextView>& texts, int threads,
                    const std::function<void(size_t, size_t)>& work) {
  if (threads < 0) throw ConfigurationError("threads must be at least 0, not " + std::to_string(threads));
  if (threads == 0) threads = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  Groups groups(texts, work);
  {
    std::vector<std::jthread> others;
    for (int i = 1; i < std::min(threads, groups.count()); ++i)
      others.emplace_back([&groups] { groups.run(); });
    groups.run();
  }
  groups.rethrow();
}

}  // namespace headrace::text
