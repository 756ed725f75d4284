#include "headrace/flow/runner.h"

#include <chrono>
#include <nlohmann/json.hpp>

#include "engine.h"

namespace headrace {

const char* status_name(RunStatus status) noexcept {
  switch (status) {
    case RunStatus::kPending:
      return "pending";
    case RunStatus::kRunning:
      return "running";
    case RunStatus::kSucceeded:
      return "succeeded";
    case RunStatus::kFailed:
      return "failed";
    case RunStatus::kCancelled:
      return "cancelled";
    case RunStatus::kPartial:
      return "partial";
    case RunStatus::kSkipped:
      return "skipped";
  }
  return "pending";
}

Runner::Engine::~Engine() = default;

bool Runner::Engine::wait(double seconds) {
  std::unique_lock lock(mutex_);
  const auto over = [&] { return closing_; };
  if (seconds < 0) {
    over_.wait(lock, over);
    return true;
  }
  return over_.wait_for(lock, std::chrono::duration<double>(seconds), over);
}

void Runner::Engine::cancel(const std::string& reason) {
  const std::lock_guard lock(mutex_);
  if (message_.empty()) message_ = reason;
  info.cancel.cancel();
  work_.notify_all();
  monitor_wakes_.notify_one();
}

void Runner::Engine::abandon() {
  const std::lock_guard lock(mutex_);
  info.cancel.cancel();
  hard_ = true;
  monitor_wakes_.notify_one();
}

void Runner::Engine::join() {
  const std::lock_guard joining(joining_);
  if (monitor_.joinable()) monitor_.join();
  for (const auto& worker : workers_) {
    if (!worker->thread.joinable()) continue;
    // A thread that is stuck in a unit is left behind: it keeps the engine alive until it ends.
    worker->replaced ? worker->thread.detach() : worker->thread.join();
  }
}

Progress Runner::Engine::progress() const {
  const std::lock_guard lock(mutex_);
  Progress progress;
  progress.status = status_;
  if (started_ns_)
    progress.elapsed = static_cast<double>((ended_ns_ ? ended_ns_ : steady_ns()) - started_ns_) * 1e-9;
  progress.warnings = warnings_;
  for (const auto& state : states_) {
    StageReport report;
    report.name = state->stage->name();
    report.form = state->stage->form();
    report.status = state->status;
    report.total = state->total;
    report.executed = state->executed;
    report.skipped = state->skipped;
    report.failed = state->failed;
    report.retries = state->retries;
    report.seconds = state->seconds;
    report.mean_micros = state->latency.mean();
    report.p50_micros = state->latency.quantile(0.5);
    report.p95_micros = state->latency.quantile(0.95);
    report.p99_micros = state->latency.quantile(0.99);
    report.total_known =
        state->finished || (state->over >= 0 ? drained(*states_[static_cast<std::size_t>(state->over)])
                                             : state->stage->form() == Form::kStep);
    progress.stages.push_back(std::move(report));
  }
  return progress;
}

void Runner::Engine::warn(const std::string& stage, const std::string& key, const std::string& text) {
  {
    const std::lock_guard lock(mutex_);
    ++warnings_;
  }
  say(3, "stage '" + stage + "'" + (key.empty() ? "" : ", item " + key) + ": " + text);
  const nlohmann::json detail = {{"key", key}, {"text", text}};
  Batch batch;
  batch.events.push_back(
      {"warning", stage, detail.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)});
  store_->append(std::move(batch));
}

Runner::Runner(const Pipeline& pipeline, std::shared_ptr<RunStore> store, RunOptions options)
    : engine_(std::make_shared<Engine>(pipeline, std::move(store), std::move(options))) {}

Runner::~Runner() {
  if (engine_->status_ != RunStatus::kPending) {
    if (!engine_->wait(0)) {
      engine_->cancel("its runner was given up");
      engine_->wait(-1);
    }
  }
  engine_->join();
}

void Runner::start() {
  engine_->start();
}
bool Runner::wait(double seconds) {
  return engine_->wait(seconds);
}
void Runner::join() {
  engine_->wait(-1);
  engine_->join();
}
void Runner::cancel(const std::string& reason) {
  engine_->cancel(reason);
}
void Runner::abandon() {
  engine_->abandon();
}
const RunInfo& Runner::info() const noexcept {
  return engine_->info;
}
bool Runner::resumed() const noexcept {
  return engine_->resumed;
}
Progress Runner::progress() const {
  return engine_->progress();
}
void Runner::warn(const std::string& stage, const std::string& key, const std::string& text) {
  engine_->warn(stage, key, text);
}

RunStatus Runner::status() const {
  const std::lock_guard lock(engine_->mutex_);
  return engine_->status_;
}
std::string Runner::message() const {
  const std::lock_guard lock(engine_->mutex_);
  return engine_->message_;
}
std::vector<Failure> Runner::failures() const {
  const std::lock_guard lock(engine_->mutex_);
  return engine_->failures_;
}
std::exception_ptr Runner::error() const {
  const std::lock_guard lock(engine_->mutex_);
  return engine_->error_;
}

}  // namespace headrace
