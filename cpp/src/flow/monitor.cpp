// The monitor's thread: deadlines, retries that are due, limits, samples, and the end of the run.
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <nlohmann/json.hpp>
#include <utility>

#include "engine.h"

namespace headrace {

namespace {

constexpr auto kTick = std::chrono::milliseconds(100);
constexpr std::int64_t kSampleNs = 1'000'000'000;

std::int64_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::int64_t pages = 0;
  statm >> pages >> pages;
  return pages * ::sysconf(_SC_PAGESIZE);
}

std::int64_t cpu_ms() {
  struct rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000 +
         (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1000;
}

std::string seconds_text(double seconds) {
  nlohmann::json number = seconds;
  return number.dump() + " s";
}

}  // namespace

void Runner::Engine::monitor() {
  std::unique_lock lock(mutex_);
  std::int64_t sampled = 0;
  while (!ended_) {
    monitor_wakes_.wait_for(lock, delayed_.empty() ? kTick : std::chrono::milliseconds(5));
    try {
      tick(lock);
    } catch (...) {
      stop(std::current_exception());
    }
    if (steady_ns() - sampled < kSampleNs) continue;
    sampled = steady_ns();
    sample();
  }
  finish_run(lock);
}

void Runner::Engine::tick(std::unique_lock<std::mutex>&) {
  release_delayed();
  check_timeouts();
  check_limits();
  settle();
}

void Runner::Engine::release_delayed() {
  const std::int64_t now = steady_ns();
  bool released = false;
  while (!delayed_.empty() && delayed_.begin()->first <= now && !stopped()) {
    Delayed due = std::move(delayed_.begin()->second);
    delayed_.erase(delayed_.begin());
    StageState& state = *states_[static_cast<std::size_t>(due.stage)];
    --state.delayed;
    state.ready.push_back(std::move(due.unit));
    ++queued_;
    released = true;
  }
  if (released) work_.notify_all();
}

void Runner::Engine::check_timeouts() {
  const std::int64_t now = steady_ns();
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    const std::shared_ptr<Worker> worker = workers_[i];
    if (hard_ && worker->pulling && !worker->replaced) {
      worker->replaced = true;
      --busy_;
    }
    if (worker->replaced || !worker->slice) continue;
    const SlicePtr late = worker->slice;
    if (!hard_ && (late->deadline_ns == 0 || now < late->deadline_ns)) continue;
    StageState& state = *states_[static_cast<std::size_t>(late->stage)];
    late->abandoned = true;
    worker->replaced = true;
    worker->slice = nullptr;
    --state.running;
    --busy_;
    serial_busy_ -= worker->serial;
    if (!hard_) give_up(*late);
  }
}

void Runner::Engine::give_up(const Slice& late) {
  // What the stuck thread still touches stays its own: the outcome goes into a slice of its own.
  auto outcome = std::make_shared<Slice>();
  outcome->stage = late.stage;
  outcome->removal = late.removal;
  outcome->units = late.units;
  const StagePolicy& policy = states_[static_cast<std::size_t>(late.stage)]->stage->policy;
  const Fault fault{"TimeoutError",
                    "did not finish in " + seconds_text(policy.timeout) +
                        "; its thread is abandoned (isolation=\"process\" can be killed)",
                    "",
                    Category::kTransient,
                    policy.retry.timeouts,
                    false,
                    false};
  for (std::size_t n = 0; n < outcome->units.size(); ++n) {
    outcome->results.emplace_back();
    outcome->results.back().fault = fault;
  }
  undurable_ += static_cast<std::int64_t>(outcome->units.size());
  const auto reader = store_->reader();
  record(outcome, *reader);
  spawn();
}

void Runner::Engine::check_limits() {
  if (stopped()) return;
  const double elapsed = static_cast<double>(steady_ns() - started_ns_) * 1e-9;
  if (options_.max_seconds > 0 && elapsed > options_.max_seconds) {
    message_ = "stopped after max_seconds=" + seconds_text(options_.max_seconds) + "; run again to go on";
    info.cancel.cancel();
  } else if (options_.max_memory > 0 && resident_bytes() > options_.max_memory) {
    message_ =
        "stopped above max_memory=" + std::to_string(options_.max_memory) + " bytes; run again to go on";
    info.cancel.cancel();
  }
}

StageRow Runner::Engine::stage_row(std::size_t index) const {
  const StageState& state = *states_[index];
  StageRow row;
  row.position = static_cast<std::int64_t>(index);
  row.name = state.stage->name();
  row.form = form_name(state.stage->form());
  row.status = status_name(state.status);
  row.total = state.total;
  row.executed = state.executed;
  row.skipped = state.skipped;
  row.failed = state.failed;
  row.retries = state.retries;
  row.seconds = state.seconds;
  row.first_ms = state.first_ms;
  row.last_ms = state.first_ms ? Env::system().now_ms() : 0;
  if (state.finished && state.last_ms) row.last_ms = state.last_ms;
  const nlohmann::json latency = {{"mean", state.latency.mean()},
                                  {"p50", state.latency.quantile(0.5)},
                                  {"p95", state.latency.quantile(0.95)},
                                  {"p99", state.latency.quantile(0.99)}};
  row.latency = latency.dump();
  return row;
}

void Runner::Engine::sample() {
  Batch batch;
  for (std::size_t i = 0; i < states_.size(); ++i) {
    if (!states_[i]->finished) batch.stages.push_back(stage_row(i));
  }
  batch.samples.push_back({resident_bytes(), cpu_ms()});
  store_->append(std::move(batch));
}

void Runner::Engine::stop(std::exception_ptr error) {
  if (!error_) error_ = std::move(error);
  info.cancel.cancel();
  work_.notify_all();
  monitor_wakes_.notify_one();
}

void Runner::Engine::finish_run(std::unique_lock<std::mutex>& lock) {
  bool failed = error_ != nullptr;
  bool letters = false;
  Batch batch;
  for (std::size_t i = 0; i < states_.size(); ++i) {
    StageState& state = *states_[i];
    failed |= state.status == RunStatus::kFailed;
    letters |= state.failed > 0;
    if (!state.finished && state.status == RunStatus::kRunning) state.status = RunStatus::kCancelled;
    batch.stages.push_back(stage_row(i));
    for (const SlicePtr& slice : state.armed) take_back(batch, state, slice->units, 0);
  }
  batch.samples.push_back({resident_bytes(), cpu_ms()});
  RunStatus status = failed ? RunStatus::kFailed : letters ? RunStatus::kPartial : RunStatus::kSucceeded;
  if (info.cancel.cancelled() && !error_) status = RunStatus::kCancelled;
  if (error_ && message_.empty()) {
    try {
      std::rethrow_exception(error_);
    } catch (const std::exception& error) {
      message_ = error.what();
    } catch (...) {
      message_ = "stopped by an unknown error";
    }
  }
  const std::string message = message_;
  lock.unlock();
  try {
    store_->append(std::move(batch));
    store_->end_run(status_name(status), message);
  } catch (const std::exception& error) {
    const std::lock_guard again(mutex_);
    if (!error_) error_ = std::current_exception();
    if (message_.empty()) message_ = error.what();
    status = RunStatus::kFailed;
  }
  lock.lock();
  status_ = status;
  log_end(status);
  ended_ns_ = steady_ns();
  closing_ = true;
  work_.notify_all();
  over_.notify_all();
}

}  // namespace headrace
