#include "reactor.h"

namespace headrace::collect {

void Alarm::arm(Clock::time_point when) {
  disarm();
  place_ = reactor_.alarms.emplace(when, this);
  armed_ = true;
}

void Alarm::disarm() {
  if (armed_) reactor_.alarms.erase(place_);
  armed_ = false;
}

void Reactor::ring_alarms(Clock::time_point now) {
  while (!alarms.empty() && alarms.begin()->first <= now) {
    Alarm* alarm = alarms.begin()->second;
    alarm->disarm();
    alarm->ring();
  }
}

void Attempt::ring() {
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
