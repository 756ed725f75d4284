#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <vector>

#include "fd.h"

namespace headrace::collect {

using Clock = std::chrono::steady_clock;

/// An epoll loop for one thread. Only wake() may be called from others.
class Loop {
 public:
  /// Owner of watched descriptors. May be told about one that is not ready (any more): use non-blocking
  /// calls.
  class Handler {
   public:
    virtual void on_ready(int fd, uint32_t events) = 0;

   protected:
    ~Handler() = default;
  };

  /// Throws ResourceError when the system has no descriptor left.
  Loop();
  void watch(int fd, uint32_t events, Handler* handler);
  void change(int fd, uint32_t events, Handler* handler);
  /// Must come before the descriptor is closed.
  void unwatch(int fd) noexcept;
  /// Sleeps until `until`, a ready descriptor or wake(), and calls the handlers of what is ready.
  void wait(Clock::time_point until);
  void wake() noexcept;

 private:
  void control(int operation, int fd, uint32_t events);
  void drain_wakeups() noexcept;

  UniqueFd epoll_;
  UniqueFd wakeup_;
  std::vector<Handler*> handlers_;  // by descriptor
};

}  // namespace headrace::collect
