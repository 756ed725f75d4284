#include "dispatcher.h"

#include <algorithm>

#include "headrace/base/error.h"

namespace headrace::collect {

namespace {

constexpr auto kLongestSleep = std::chrono::minutes(1);  // all that happens wakes the loop
constexpr auto kCrowdedPause = std::chrono::microseconds(20'000);
constexpr int kMostDoublings = 3;

Clock::duration to_duration(double seconds) {
  return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
}

}  // namespace

Dispatcher::Dispatcher(Workload& workload, Targets& targets, const Limits& limits, OutcomeSink& sink,
                       CancelToken cancel)
    : workload_(workload), targets_(targets), limits_(limits), sink_(sink), cancel_(std::move(cancel)) {
  const int64_t count = std::min(limits_.workers, std::max<int64_t>(workload_.size(), 1));
  slots_.resize(count);
  turns_.resize(count);
  for (int64_t slot = count - 1; slot >= 0; --slot) free_slots_.push_back(slot);
  workload_.attach(reactor_);
  sink_.set_waker([this] { reactor_.loop.wake(); });
}

Dispatcher::~Dispatcher() {
  sink_.set_waker({});
  for (size_t slot = 0; slot < slots_.size(); ++slot) {  // where run() threw
    if (!slots_[slot]) continue;
    slots_[slot].reset();
    targets_.end_turn(turns_[slot]);
  }
  workload_.detach();
}

void Dispatcher::run() {
  while (running_ > 0 || more_to_start()) {
    if (cancelled()) cancel_all();
    start_ready();
    workload_.end_round();
    collect_finished();  // an attempt may have failed at its start
    if (running_ > 0 || more_to_start()) wait_for_events();
    reactor_.ring_alarms(Clock::now());
    workload_.end_round();
    collect_finished();
  }
}

bool Dispatcher::may_start() const {
  return has_room() && held_until_ <= Clock::now();
}

void Dispatcher::start_ready() {
  const auto now = Clock::now();
  while (!waiting_.empty() && waiting_.top().when <= now && may_start()) {
    const int64_t index = waiting_.top().index;
    waiting_.pop();
    start_or_postpone(index, now);
  }
  while (may_start()) {
    const int64_t index = targets_.take();
    if (index < 0) return;
    start_or_postpone(index, now);
  }
}

void Dispatcher::start_or_postpone(int64_t index, Clock::time_point now) {
  const auto when = workload_.not_before(index, now);
  if (when > now) {
    waiting_.push({when, index});
  } else {
    start(index, now);
  }
}

void Dispatcher::start(int64_t index, Clock::time_point now) {
  Progress& progress = progress_[index];
  if (progress.attempts++ == 0) progress.first = now;
  auto attempt = workload_.make(index, reactor_, now + to_duration(limits_.timeout));
  attempt->slot = free_slots_.back();
  attempt->outcome.index = index;
  attempt->outcome.target = workload_.name(index);
  free_slots_.pop_back();
  ++running_;
  Attempt& started = *attempt;
  turns_[started.slot] = targets_.begin_turn();
  slots_[started.slot] = std::move(attempt);
  try {
    started.begin();
  } catch (const ResourceError& error) {
    started.give_up(error.what());
    return hold();
  }
  if (crowds_ > 0) held_until_ = Clock::now() + kCrowdedPause;  // one by one, until one has ended
}

// Of different length, so that dispatchers which were crowded at the same moment part.
void Dispatcher::hold() {
  const auto pause = kCrowdedPause * (1 << std::min(crowds_++, kMostDoublings));
  held_until_ = Clock::now() + pause + pause * (random_() % 64) / 64;
}

void Dispatcher::wait_for_events() {
  Clock::time_point until = Clock::now() + kLongestSleep;
  if (!reactor_.alarms.empty()) until = std::min(until, reactor_.alarms.begin()->first);
  if (has_room()) {
    if (targets_.left()) until = std::min(until, held_until_);
    if (!waiting_.empty()) until = std::min(until, std::max(waiting_.top().when, held_until_));
  }
  reactor_.loop.wait(until);
}

void Dispatcher::collect_finished() {
  // Settling one may finish others (never today, but the vector must not be walked while it grows).
  while (!reactor_.finished.empty()) {
    const int64_t slot = reactor_.finished.back()->slot;
    reactor_.finished.pop_back();
    settle(slot);
  }
}

void Dispatcher::settle(int64_t slot) {
  Outcome outcome = std::move(slots_[slot]->outcome);
  const bool crowded = slots_[slot]->crowded;
  slots_[slot].reset();
  free_slots_.push_back(slot);
  --running_;
  const bool alone = targets_.end_turn(turns_[slot]);
  const auto now = Clock::now();
  Progress& progress = progress_[outcome.index];
  if (crowded && !alone) {  // as if it had not been started
    --progress.attempts;
    if (held_until_ <= now) hold();
    waiting_.push({held_until_, outcome.index});
    return;
  }
  crowds_ = 0;
  if (!crowded) held_until_ = {};  // it gave back what it held
  workload_.ended(outcome.index, outcome, now);
  if (retry(outcome.index, outcome, progress, now)) return;
  outcome.attempts = progress.attempts;
  outcome.seconds = std::chrono::duration<double>(now - progress.first).count();
  progress_.erase(outcome.index);
  sink_.put(std::move(outcome));
}

bool Dispatcher::retry(int64_t index, const Outcome& outcome, const Progress& progress,
                       Clock::time_point now) {
  if (outcome.ok || !outcome.transient || progress.attempts >= limits_.retry.attempts || cancelled())
    return false;
  const double random = std::uniform_real_distribution<double>(0, 1)(random_);
  const double pause =
      std::max(limits_.retry.delay_before(progress.attempts + 1, random), outcome.retry_after_s);
  waiting_.push({now + to_duration(pause), index});
  return true;
}

void Dispatcher::cancel_all() {
  for (auto& attempt : slots_) {
    if (attempt) attempt->cancel();
  }
  for (; !waiting_.empty(); waiting_.pop()) put_cancelled(waiting_.top().index);
  for (int64_t index; (index = targets_.take()) >= 0;) put_cancelled(index);
}

void Dispatcher::put_cancelled(int64_t index) {
  Outcome outcome;
  outcome.index = index;
  outcome.target = workload_.name(index);
  if (const auto found = progress_.find(index); found != progress_.end()) {
    outcome.attempts = found->second.attempts;
    outcome.seconds = std::chrono::duration<double>(Clock::now() - found->second.first).count();
    progress_.erase(found);
  }
  outcome.fail(ErrorType::kCancelled,
               outcome.attempts == 0 ? "cancelled before it was started" : "cancelled before the next try");
  sink_.put(std::move(outcome));
}

}  // namespace headrace::collect
