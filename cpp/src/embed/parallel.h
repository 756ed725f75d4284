#pragma once

#include <algorithm>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace headrace::embed {

/// Threads to use for `pieces` units when the caller asked for `threads` (0: all cores).
inline int64_t thread_count(int64_t threads, int64_t pieces) {
  const int64_t cores = std::max<int64_t>(1, std::thread::hardware_concurrency());
  return std::clamp<int64_t>(threads > 0 ? threads : cores, 1, std::max<int64_t>(1, pieces));
}

/// Runs work(worker) for worker = 0 .. workers - 1, the last of them on the calling thread, and waits for
/// all. The first exception is thrown again here, after every worker has ended.
template <class Work>
void run_workers(int64_t workers, Work&& work) {
  std::mutex mutex;
  std::exception_ptr first_error;
  const auto guarded = [&](int64_t worker) {
    try {
      work(worker);
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (!first_error) first_error = std::current_exception();
    }
  };
  {
    std::vector<std::jthread> threads;
    threads.reserve(static_cast<size_t>(workers - 1));
    for (int64_t worker = 0; worker + 1 < workers; ++worker) threads.emplace_back(guarded, worker);
    guarded(workers - 1);
  }
  if (first_error) std::rethrow_exception(first_error);
}

}  // namespace headrace::embed
