#include "headrace/collect/stream.h"

#include <algorithm>
#include <chrono>
#include <iterator>

#include "signals.h"

namespace headrace::collect {

class OutcomeStream::Queue : public OutcomeSink {
 public:
  explicit Queue(OutcomeStream& stream) : stream_(stream) {}

  void put(Outcome outcome) override {
    const std::lock_guard lock(stream_.mutex_);
    if (!stream_.closed_) stream_.waiting_.push_back(std::move(outcome));
    if (stream_.waiting_.size() >= stream_.wanted_) stream_.changed_.notify_all();
  }
  bool has_room() const override {
    const std::lock_guard lock(stream_.mutex_);
    return stream_.waiting_.size() < stream_.capacity_;
  }
  void set_waker(const std::function<void()>& waker) override {
    const std::lock_guard lock(stream_.mutex_);
    stream_.waker_ = waker;
  }

 private:
  OutcomeStream& stream_;
};

OutcomeStream::OutcomeStream(Work work, int64_t capacity) : capacity_(static_cast<size_t>(capacity)) {
  const BlockSignals blocked;
  thread_ = std::thread([this, work = std::move(work)] { work_in_thread(work); });
}

OutcomeStream::~OutcomeStream() {
  close();
}

void OutcomeStream::work_in_thread(const Work& work) {
  std::exception_ptr error;
  try {
    Queue queue(*this);
    work(queue, cancel_);
  } catch (...) {
    error = std::current_exception();
  }
  const std::lock_guard lock(mutex_);
  error_ = error;
  ended_ = true;
  changed_.notify_all();
}

/// Calls `wait` with the condition to wait for, under the mutex.
template <typename Wait>
void OutcomeStream::await_outcomes(size_t wanted, const Wait& wait) {
  wanted_ = readers_ == 0 ? wanted : std::min(wanted, wanted_);
  ++readers_;
  wait([this, wanted] { return ended_ || waiting_.size() >= wanted; });
  if (--readers_ == 0) wanted_ = 1;
}

std::vector<Outcome> OutcomeStream::take(double seconds, int64_t wanted) {
  std::unique_lock lock(mutex_);
  const auto until = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  const auto enough_for = std::min(static_cast<size_t>(std::max<int64_t>(wanted, 1)), capacity_);
  await_outcomes(enough_for, [&](const auto& enough) { changed_.wait_until(lock, until, enough); });
  if (waiting_.empty()) throw_if_failed(lock);
  const bool was_full = waiting_.size() >= capacity_;
  std::vector<Outcome> taken(std::make_move_iterator(waiting_.begin()),
                             std::make_move_iterator(waiting_.end()));
  waiting_.clear();
  if (was_full && waker_) waker_();
  return taken;
}

std::optional<Outcome> OutcomeStream::next() {
  std::unique_lock lock(mutex_);
  await_outcomes(1, [&](const auto& enough) { changed_.wait(lock, enough); });
  if (waiting_.empty()) {
    throw_if_failed(lock);
    return std::nullopt;
  }
  Outcome outcome = std::move(waiting_.front());
  waiting_.pop_front();
  if (waker_) waker_();
  return outcome;
}

bool OutcomeStream::exhausted() const {
  const std::lock_guard lock(mutex_);
  return ended_ && waiting_.empty() && !error_;
}

void OutcomeStream::cancel() {
  cancel_.cancel();
  const std::lock_guard lock(mutex_);
  if (waker_) waker_();
}

void OutcomeStream::close() {
  cancel();
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    waiting_.clear();
  }
  const std::lock_guard joining(joining_);
  if (thread_.joinable()) thread_.join();
}

void OutcomeStream::throw_if_failed(std::unique_lock<std::mutex>& lock) {
  if (!error_) return;
  const auto error = std::exchange(error_, nullptr);
  lock.unlock();
  std::rethrow_exception(error);
}

}  // namespace headrace::collect
