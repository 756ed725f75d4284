#pragma once

#include <array>
#include <map>
#include <vector>

#include "headrace/collect/outcome.h"
#include "loop.h"

namespace headrace::collect {

struct Reactor;

/// Something that wants to be called at a certain time, once.
class Alarm {
 public:
  explicit Alarm(Reactor& reactor) : reactor_(reactor) {}
  Alarm(const Alarm&) = delete;
  Alarm& operator=(const Alarm&) = delete;
  virtual ~Alarm() { disarm(); }
  void arm(Clock::time_point when);
  void disarm();
  /// The time has come.
  virtual void ring() = 0;

 protected:
  Reactor& reactor_;

 private:
  std::multimap<Clock::time_point, Alarm*>::iterator place_;
  bool armed_ = false;
};

class Attempt;

/// What all attempts of one collecting thread share: the loop, the alarms, a read buffer, the finished ones.
struct Reactor {
  Loop loop;
  std::multimap<Clock::time_point, Alarm*> alarms;
  std::vector<Attempt*> finished;
  std::array<char, 65536> buffer;

  void ring_alarms(Clock::time_point now);
};

enum class StopReason { kTimeout, kCancelled };

/// One try at one target: a state machine driven by the loop. Its destructor gives everything back
/// (descriptors, watches, child processes).
class Attempt : public Alarm, public Loop::Handler {
 public:
  Attempt(Reactor& reactor, Clock::time_point deadline) : Alarm(reactor), deadline_(deadline) {}

  /// Starts, with the deadline as the alarm.
  void begin() {
    arm(deadline_);
    start();
  }
  /// The alarm is the deadline, or what the attempt itself asked for with arm().
  void ring() override;
  /// Brings the attempt to its end, now or very soon. Calling it again changes nothing.
  void cancel();
  /// The system has no descriptor, process or memory for it: it is tried again when others have given theirs
  /// back.
  void give_up(const char* reason) {
    crowded = true;
    outcome.fail(ErrorType::kUnreachable, reason, true);
    finish();
  }

  Outcome outcome;
  int64_t slot = -1;     ///< for the dispatcher
  bool crowded = false;  ///< ended by give_up()

 protected:
  virtual void start() = 0;
  /// The time is up or nobody wants the answer any more. Finishes, or arms an alarm to finish soon.
  virtual void stop(StopReason reason) = 0;
  /// An alarm set by arm() rang before the deadline, or after stop().
  virtual void on_alarm() {}

  /// The outcome is complete. The dispatcher destroys the attempt after the current round of events.
  void finish();
  /// From here on alarms go to on_alarm(), whatever the deadline; stop() is not called any more.
  void begin_stopping() { stopping_ = true; }
  bool stopping() const { return stopping_; }
  bool done() const { return done_; }
  Clock::time_point deadline() const { return deadline_; }

 private:
  void stop_once(StopReason reason);

  Clock::time_point deadline_;
  bool stopping_ = false;
  bool done_ = false;
};

}  // namespace headrace::collect
