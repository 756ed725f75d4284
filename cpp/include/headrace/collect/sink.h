#pragma once

#include <functional>

#include "headrace/collect/outcome.h"

namespace headrace::collect {

/// Where a collector puts its outcomes, in the order in which targets finish. put() is called by one thread
/// at a time (not always the same); has_room() by any.
class OutcomeSink {
 public:
  virtual ~OutcomeSink() = default;
  /// Takes one outcome; must not block: everything that is being collected would wait for it.
  virtual void put(Outcome outcome) = 0;
  /// False: no further target is started for the moment; those under way go on.
  virtual bool has_room() const { return true; }
  /// Gives the sink a function, callable from any thread, that makes the collector ask has_room() again.
  /// An empty function takes it back.
  virtual void set_waker(const std::function<void()>& waker) {}
};

/// A sink that calls a function.
class CallbackSink : public OutcomeSink {
 public:
  explicit CallbackSink(std::function<void(Outcome)> callback) : callback_(std::move(callback)) {}
  void put(Outcome outcome) override { callback_(std::move(outcome)); }

 private:
  std::function<void(Outcome)> callback_;
};

}  // namespace headrace::collect
