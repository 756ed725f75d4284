#pragma once

#include <atomic>
#include <functional>
#include <list>
#include <memory>
#include <mutex>

namespace headrace {

/// A flag that many threads may watch; copies share it. Setting it is final, and not for signal handlers.
class CancelToken {
  struct State {
    std::atomic<bool> flag{false};
    std::mutex mutex;
    std::list<std::function<void()>> wakers;
  };

 public:
  /// While it lives, `wake` is called when the token is set, in the thread that sets it: for who sleeps
  /// meanwhile. It must not block or throw, nor touch the token. Look at the token after making one.
  class Waker {
   public:
    Waker(const CancelToken& token, std::function<void()> wake) : state_(token.state_) {
      const std::lock_guard lock(state_->mutex);
      place_ = state_->wakers.insert(state_->wakers.end(), std::move(wake));
    }
    ~Waker() {
      const std::lock_guard lock(state_->mutex);
      state_->wakers.erase(place_);
    }
    Waker(const Waker&) = delete;
    Waker& operator=(const Waker&) = delete;

   private:
    std::shared_ptr<State> state_;
    std::list<std::function<void()>>::iterator place_;
  };

  void cancel() const noexcept {
    state_->flag.store(true, std::memory_order_relaxed);
    const std::lock_guard lock(state_->mutex);
    for (const auto& wake : state_->wakers) wake();
  }
  bool cancelled() const noexcept { return state_->flag.load(std::memory_order_relaxed); }

 private:
  std::shared_ptr<State> state_ = std::make_shared<State>();
};

}  // namespace headrace
