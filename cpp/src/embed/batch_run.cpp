// The half of BatchStream that runs batches, halves them when they fail, and hands their rows out.
#include <algorithm>
#include <chrono>
#include <utility>

#include "batch_failures.h"
#include "headrace/base/error.h"
#include "headrace/embed/batch_stream.h"

namespace headrace::embed {
namespace {

using Clock = std::chrono::steady_clock;

}  // namespace

bool BatchStream::run_batch(RowSink& sink) {
  const std::optional<Job> job = take();
  if (!job) return false;
  run(*job, sink);
  return true;
}

// Halves wait on a stack, the first half on top. When too many texts in a row fail, the untried ones go back.
void BatchStream::run(const Job& job, RowSink& sink) {
  std::vector<std::span<const Pending>> parts = {job.texts};
  while (!parts.empty() && !stopped_) {
    const std::span<const Pending> part = parts.back();
    parts.pop_back();
    {
      const std::lock_guard lock(mutex_);
      if (failed_in_a_row_ >= kSuspicious && !job.probe) {
        waiting_.insert(waiting_.end(), part.begin(), part.end());
        size_ += static_cast<int64_t>(part.size());
        continue;
      }
    }
    if (run_part(job, part, sink)) continue;
    parts.push_back(part.subspan(part.size() / 2));
    parts.push_back(part.first(part.size() / 2));
  }
}

// False when the part is to be halved. An answer of the wrong shape is no text's fault, and halves that
// happen to fit would be rows of who knows what: all its texts fail.
bool BatchStream::run_part(const Job& job, std::span<const Pending> part, RowSink& sink) {
  std::vector<BatchText> texts;
  for (const Pending& pending : part) texts.push_back(pending.text);
  ModelRows answer;
  try {
    answer = call(job, part, texts);
  } catch (...) {
    if (model_.is_fatal(std::current_exception())) throw;
    if (part.size() > 1 && !is_wrong_shape(std::current_exception())) return false;
    const BatchFailure failure = describe_failure(name_batch(job.number, texts));
    {
      const std::lock_guard lock(mutex_);
      failed_in_a_row_ += static_cast<int64_t>(part.size());
    }
    for (const Pending& pending : part) fail(pending, failure, sink);
    if (job.probe) give_up(failure, sink);
    return true;
  }
  deliver(part, answer, sink);
  return true;
}

ModelRows BatchStream::call(const Job& job, std::span<const Pending> part, std::span<const BatchText> texts) {
  int64_t real = 0;
  for (const Pending& pending : part) real += pending.tokens;
  const auto begin = Clock::now();
  ModelRows answer = model_.embed(texts);
  const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  check_answer(answer.rows, texts, dim_.load());
  int64_t unknown = 0;
  if (!dim_.compare_exchange_strong(unknown, answer.rows.cols)) check_answer(answer.rows, texts, unknown);
  if (job.trial.budget > 0 && part.size() == job.texts.size()) budget_.record(job.trial, real, seconds);

  const std::lock_guard lock(mutex_);
  failed_in_a_row_ = 0;
  ++stats_.batches;
  stats_.texts += static_cast<int64_t>(part.size());
  stats_.real_tokens += real;
  stats_.padded_tokens += static_cast<int64_t>(part.size()) * part.front().tokens;
  stats_.model_seconds += seconds;
  return answer;
}

void BatchStream::deliver(std::span<const Pending> part, const ModelRows& answer, RowSink& sink) {
  if (cache_ != nullptr) {
    std::vector<std::string> keys;
    for (const Pending& pending : part) keys.push_back(pending.key);
    cache_->put(keys, answer.rows);
  }
  const int64_t dim = answer.rows.cols;
  for (size_t i = 0; i < part.size(); ++i) {
    const std::span<const float> row(answer.rows.data + static_cast<int64_t>(i) * dim,
                                     static_cast<size_t>(dim));
    sink.row(part[i].text, row);
    const std::vector<BatchText> twins = take_twins(part[i].text.text);
    for (const BatchText& twin : twins) sink.row(twin, row);
  }
}

void BatchStream::fail(const Pending& pending, const BatchFailure& failure, RowSink& sink) {
  const std::vector<BatchText> twins = take_twins(pending.text.text);
  {
    const std::lock_guard lock(mutex_);
    stats_.failed += 1 + static_cast<int64_t>(twins.size());
  }
  sink.failed(pending.text, failure);
  for (const BatchText& twin : twins) sink.failed(twin, failure);
}

// The model fails whatever it gets: what waits isn't worth a call each. The next text that comes is a new
// chance.
void BatchStream::give_up(const BatchFailure& failure, RowSink& sink) {
  std::vector<Pending> untried;
  {
    const std::lock_guard lock(mutex_);
    untried = std::exchange(waiting_, {});
    for (Job& job : planned_) std::move(job.texts.begin(), job.texts.end(), std::back_inserter(untried));
    planned_.clear();
    size_ = 0;
    failed_in_a_row_ = kSuspicious - 1;
  }
  const BatchFailure not_tried = {
      failure.error, "not tried, since the texts before all failed, the last: " + failure.message};
  for (const Pending& pending : untried) fail(pending, not_tried, sink);
}

}  // namespace headrace::embed
