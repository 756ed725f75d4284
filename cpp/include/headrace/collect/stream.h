#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "headrace/base/cancel.h"
#include "headrace/collect/sink.h"

namespace headrace::collect {

/// A collection that runs in a thread of its own, and hands its outcomes over as they come.
/// All methods may be called from any thread. The destructor cancels, and waits for the thread (well under
/// 250 ms).
class OutcomeStream {
 public:
  /// `work` collects into the sink until it is done or the token is set. At most `capacity` outcomes wait to
  /// be taken: then no further target is started. Signals are never delivered to the stream's thread.
  using Work = std::function<void(OutcomeSink&, const CancelToken&)>;
  OutcomeStream(Work work, int64_t capacity);
  ~OutcomeStream();
  OutcomeStream(const OutcomeStream&) = delete;
  OutcomeStream& operator=(const OutcomeStream&) = delete;

  /// All outcomes that wait, after waiting up to `seconds` until there are `wanted` of them (who needs none
  /// at once is woken less often), as many as may wait, or no more will come. Empty: none came in that time,
  /// or the stream is exhausted(). Rethrows what the work threw, once its outcomes are taken.
  std::vector<Outcome> take(double seconds, int64_t wanted = 1);
  /// The next outcome, however long it takes; none: the stream is exhausted.
  std::optional<Outcome> next();
  bool exhausted() const;
  /// Ends what is under way: the targets that are not finished come out as `cancelled`.
  void cancel();
  /// cancel(), and waits for the end. Outcomes that were not taken are dropped.
  void close();

 private:
  class Queue;
  void work_in_thread(const Work& work);
  void throw_if_failed(std::unique_lock<std::mutex>& lock);
  template <typename Wait>
  void await_outcomes(size_t wanted, const Wait& wait);

  const size_t capacity_;
  CancelToken cancel_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Outcome> waiting_;
  size_t wanted_ = 1;  ///< so many waiting outcomes wake a reader
  int readers_ = 0;    ///< threads that wait for outcomes
  std::function<void()> waker_;
  std::exception_ptr error_;
  bool ended_ = false;
  bool closed_ = false;
  std::mutex joining_;
  std::thread thread_;
};

}  // namespace headrace::collect
