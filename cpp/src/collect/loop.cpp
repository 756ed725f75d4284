#include "loop.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string>

#include "headrace/base/error.h"

namespace headrace::collect {

namespace {

int milliseconds_until(Clock::time_point until) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now()).count();
  return static_cast<int>(std::clamp<int64_t>(left, 0, 60'000));
}

ResourceError no_descriptor(const char* what) {
  return ResourceError(std::string(what) + ": " + std::strerror(errno) +
                       "; raise the limit of open files (ulimit -n) or use fewer workers");
}

}  // namespace

Loop::Loop() : epoll_(::epoll_create1(EPOLL_CLOEXEC)), wakeup_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!epoll_ || !wakeup_) throw no_descriptor("cannot make an event loop");
  watch(wakeup_.get(), EPOLLIN, nullptr);
}

void Loop::control(int operation, int fd, uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.fd = fd;
  if (::epoll_ctl(epoll_.get(), operation, fd, &event) != 0) throw no_descriptor("cannot watch a descriptor");
}

void Loop::watch(int fd, uint32_t events, Handler* handler) {
  control(EPOLL_CTL_ADD, fd, events);
  if (handlers_.size() <= static_cast<size_t>(fd)) handlers_.resize(fd + 1, nullptr);
  handlers_[fd] = handler;
}

void Loop::change(int fd, uint32_t events, Handler* handler) {
  control(EPOLL_CTL_MOD, fd, events);
  handlers_[fd] = handler;
}

void Loop::unwatch(int fd) noexcept {
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
  if (static_cast<size_t>(fd) < handlers_.size()) handlers_[fd] = nullptr;
}

void Loop::drain_wakeups() noexcept {
  uint64_t count = 0;
  (void)!::read(wakeup_.get(), &count, sizeof count);
}

void Loop::wait(Clock::time_point until) {
  std::array<epoll_event, 128> ready;
  const int count =
      ::epoll_wait(epoll_.get(), ready.data(), static_cast<int>(ready.size()), milliseconds_until(until));
  for (int i = 0; i < count; ++i) {
    const int fd = ready[i].data.fd;
    if (fd == wakeup_.get()) {
      drain_wakeups();
    } else if (Handler* handler = handlers_[fd]) {  // an earlier handler of this round may have let go of it
      handler->on_ready(fd, ready[i].events);
    }
  }
}

void Loop::wake() noexcept {
  const uint64_t one = 1;
  (void)!::write(wakeup_.get(), &one, sizeof one);
}

}  // namespace headrace::collect
