#include "headrace/embed/batcher.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <limits>
#include <unordered_map>
#include <utility>

#include "headrace/base/error.h"
#include "parallel.h"

namespace headrace::embed {
namespace {

/// The different texts of a list, and for each text which of them it is.
struct Distinct {
  std::vector<BatchText> texts;                     // ids: position of their first appearance
  std::vector<std::pair<int64_t, int64_t>> copies;  // (position, position of the first)
};

Distinct find_distinct(std::span<const std::string_view> texts) {
  Distinct distinct;
  std::unordered_map<std::string_view, int64_t> first;
  first.reserve(texts.size());
  for (size_t i = 0; i < texts.size(); ++i) {
    const auto position = static_cast<int64_t>(i);
    const auto [entry, is_new] = first.try_emplace(texts[i], position);
    if (is_new) {
      distinct.texts.push_back({position, texts[i]});
    } else {
      distinct.copies.emplace_back(position, entry->second);
    }
  }
  return distinct;
}

/// Puts rows where they belong, whichever thread brings them.
class MatrixSink : public RowSink {
 public:
  explicit MatrixSink(int64_t count) : count_(count) {}

  void row(const BatchText& text, std::span<const float> row) override {
    std::call_once(allocated_, [&] { result_.rows = Matrix(count_, static_cast<int64_t>(row.size())); });
    std::copy(row.begin(), row.end(), result_.rows.row(text.id).begin());
  }
  void failed(const BatchText& text, const BatchFailure& failure) override {
    const std::lock_guard lock(mutex_);
    result_.failed.push_back({text.id, failure});
  }

  /// Copies rows to equal texts, marks what is missing. `dim` gives the matrix its width where no row came.
  Embedded finish(const Distinct& distinct, int64_t dim) {
    if (result_.rows.rows() == 0) result_.rows = Matrix(count_, dim);
    for (const auto& [position, original] : distinct.copies) {
      const auto from = std::as_const(result_.rows).row(original);
      std::copy(from.begin(), from.end(), result_.rows.row(position).begin());
    }
    spread_failures(distinct);
    for (const Embedded::Failed& failed : result_.failed) {
      const auto row = result_.rows.row(failed.index);
      std::fill(row.begin(), row.end(), std::numeric_limits<float>::quiet_NaN());
    }
    return std::move(result_);
  }

 private:
  void spread_failures(const Distinct& distinct) {
    std::vector<Embedded::Failed>& failed = result_.failed;
    if (failed.empty()) return;
    std::unordered_map<int64_t, BatchFailure> by_index;
    for (const Embedded::Failed& entry : failed) by_index.emplace(entry.index, entry.failure);
    for (const auto& [position, original] : distinct.copies) {
      if (const auto found = by_index.find(original); found != by_index.end())
        failed.push_back({position, found->second});
    }
    std::sort(failed.begin(), failed.end(), [](const auto& a, const auto& b) { return a.index < b.index; });
  }

  const int64_t count_;
  std::once_flag allocated_;
  std::mutex mutex_;
  Embedded result_;
};

/// One list on its way through a stream: every worker feeds when nobody else does, and runs batches
/// otherwise.
class Session {
 public:
  Session(BatchModel& model, BatchStream& stream, RowSink& sink, std::span<const BatchText> texts)
      : model_(model), stream_(stream), sink_(sink), texts_(texts) {}

  void work() {
    count_worker(1);
    try {
      while (!finished()) {
        const bool fed = feed();
        if (!run_batch() && !fed) wait();
      }
    } catch (...) {
      count_worker(-1);
      stop();
      stream_.stop();
      // Told again and again: a call that was just about to begin would not have heard it.
      do model_.stop();
      while (!others_ended());
      throw;
    }
    count_worker(-1);
  }

 private:
  bool feed() {
    std::span<const BatchText> part;
    {
      const std::lock_guard lock(mutex_);
      if (feeding_ || next_ == static_cast<int64_t>(texts_.size())) return false;
      const int64_t count = std::min(stream_.room(), static_cast<int64_t>(texts_.size()) - next_);
      if (count == 0) return false;
      part = texts_.subspan(static_cast<size_t>(next_), static_cast<size_t>(count));
      next_ += count;
      feeding_ = true;
    }
    stream_.push(part, sink_);  // counts tokens: may take time, and Python's lock
    const std::lock_guard lock(mutex_);
    if (next_ == static_cast<int64_t>(texts_.size())) stream_.close();
    feeding_ = false;
    ++changes_;
    changed_.notify_all();
    return true;
  }

  // All is done when nothing is left to feed, nothing runs, and no batch could be formed although nothing has
  // changed since this worker looked: a batch that fails may put texts back.
  bool run_batch() {
    int64_t changes = 0;
    {
      const std::lock_guard lock(mutex_);
      ++running_;
      changes = changes_;
    }
    const bool ran = stream_.run_batch(sink_);
    const std::lock_guard lock(mutex_);
    --running_;
    if (ran) {
      ++changes_;
      changed_.notify_all();
    } else if (running_ == 0 && changes == changes_ && !feeding_ &&
               next_ == static_cast<int64_t>(texts_.size())) {
      stopped_ = true;
      changed_.notify_all();
    }
    return ran;
  }
  bool finished() {
    const std::lock_guard lock(mutex_);
    return stopped_;
  }
  void stop() {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    changed_.notify_all();
  }
  void count_worker(int64_t change) {
    const std::lock_guard lock(mutex_);
    workers_ += change;
    changed_.notify_all();
  }
  bool others_ended() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::milliseconds(50), [&] { return workers_ == 0; });
  }
  // Another worker feeds, or runs the last batches.
  void wait() {
    {
      std::unique_lock lock(mutex_);
      if (!stopped_) changed_.wait_for(lock, std::chrono::milliseconds(50));
    }
    model_.check_interrupt();
  }

  BatchModel& model_;
  BatchStream& stream_;
  RowSink& sink_;
  std::span<const BatchText> texts_;
  std::mutex mutex_;
  std::condition_variable changed_;
  int64_t next_ = 0;
  int64_t workers_ = 0;  // inside work()
  int64_t running_ = 0;
  int64_t changes_ = 0;  // batches and feeds that have ended
  bool feeding_ = false;
  bool stopped_ = false;  // everything is done, or a worker threw
};

void add(BatchStats& total, const BatchStats& part) {
  total.texts += part.texts;
  total.duplicates += part.duplicates;
  total.cached += part.cached;
  total.failed += part.failed;
  total.batches += part.batches;
  total.real_tokens += part.real_tokens;
  total.padded_tokens += part.padded_tokens;
  total.model_seconds += part.model_seconds;
}

}  // namespace

Batcher::Batcher(BatchModel& model, BatchSettings settings, int64_t max_tokens, int64_t workers,
                 EmbeddingCache* cache)
    : model_(model), settings_(std::move(settings)), budget_(max_tokens), workers_(workers), cache_(cache) {
  if (workers < 1) throw ConfigurationError("workers must be at least 1");
  const BatchStream checked(model_, budget_, cache_, settings_);  // throws where the settings are wrong
}

Embedded Batcher::embed(std::span<const std::string_view> texts) {
  const Distinct distinct = find_distinct(texts);
  BatchStream stream(model_, budget_, cache_, settings_);
  MatrixSink sink(static_cast<int64_t>(texts.size()));
  Session session(model_, stream, sink, distinct.texts);
  const int64_t workers =
      std::min(workers_, std::max<int64_t>(1, static_cast<int64_t>(distinct.texts.size())));
  try {
    run_workers(workers, [&](int64_t) { session.work(); });
  } catch (...) {
    if (cache_ != nullptr) cache_->flush();
    throw;
  }
  if (cache_ != nullptr) cache_->flush();

  BatchStats stats = stream.stats();
  stats.duplicates += static_cast<int64_t>(distinct.copies.size());
  Embedded embedded = sink.finish(distinct, stream.dim());
  stats.failed = static_cast<int64_t>(embedded.failed.size());
  const std::lock_guard lock(mutex_);
  add(stats_, stats);
  return embedded;
}

BatchStats Batcher::stats() const {
  const std::lock_guard lock(mutex_);
  return stats_;
}

}  // namespace headrace::embed
