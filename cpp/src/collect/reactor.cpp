#include "reactor.h"

namespace headrace::collect {

void Attempt::arm(Clock::time_point when) {
  disarm();
  alarm_ = reactor_.alarms.emplace(when, this);
  armed_ = true;
}

void Attempt::disarm() {
  if (armed_) reactor_.alarms.erase(alarm_);
  armed_ = false;
}

void Attempt::ring() {
  disarm();
  if (done_) return;
  if (!stopping_ && Clock::now() >= deadline_) {
    stop_once(StopReason::kTimeout);
  } else {
    on_alarm();
  }
}

void Attempt::cancel() {
  if (!stopping_ && !done_) stop_once(StopReason::kCancelled);
}

void Attempt::stop_once(StopReason reason) {
  stopping_ = true;
  stop(reason);
}

void Attempt::finish() {
  if (done_) return;
  done_ = true;
  disarm();
  reactor_.finished.push_back(this);
}

}  // namespace headrace::collect
