#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <exception>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "headrace/embed/batch_model.h"
#include "headrace/embed/batch_plan.h"
#include "headrace/embed/budget.h"
#include "headrace/embed/embedding_cache.h"

namespace headrace::embed {

/// Why a text has no row.
struct BatchFailure {
  std::exception_ptr error;  // what the model threw for the text alone, or what is wrong with its answer
  std::string message;       // one line that names the batch
};

/// Takes finished texts, from whatever thread ran their batch; never two calls for one id.
class RowSink {
 public:
  virtual ~RowSink() = default;
  /// The row is only valid during the call.
  virtual void row(const BatchText& text, std::span<const float> row) = 0;
  virtual void failed(const BatchText& text, const BatchFailure& failure) = 0;
};

/// What went through so far. Real tokens over padded tokens is the share of the computation that was worth
/// it.
struct BatchStats {
  int64_t texts = 0;       // different texts that reached the model
  int64_t duplicates = 0;  // texts that got the row of another
  int64_t cached = 0;      // texts whose row came from the cache
  int64_t failed = 0;
  int64_t batches = 0;  // calls of the model, halves included
  int64_t real_tokens = 0;
  int64_t padded_tokens = 0;  // texts of a batch times its longest
  double model_seconds = 0;   // inside the model, all threads together
};

struct BatchSettings {
  int64_t max_batch = 128;  // texts in a batch
  int64_t window = 1024;    // texts that wait at most
  std::string model_id{};   // for the cache
};

/// Forms batches out of texts that come one by one, and runs them on the threads that are lent to it.
///
/// push() texts while room() > 0, run_batch() as often as you like from as many threads as the model allows;
/// close() when no more come. Rows reach the sink in the order the batches end. Up to `window` texts wait,
/// sorted by token count: the batches with the least padding go first, and no text waits for more than four
/// windows of others. Equal texts that wait or run at the same time run once. A batch that fails is halved
/// until the guilty text stands alone; one whose answer has another number of rows or columns fails whole.
/// When texts fail one after the other, the shortest is tried, and if that fails too, all that wait fail with
/// it. An error that the model calls fatal is thrown by run_batch().
///
/// Thread-safe. `model`, `budget` and `cache` (may be null) are borrowed and must outlive the stream.
class BatchStream {
 public:
  /// Throws ConfigurationError for a window or batch size below 1, or a cache without a model id.
  BatchStream(BatchModel& model, BatchBudget& budget, EmbeddingCache* cache, BatchSettings settings);

  /// Texts that may be pushed before a batch has to run.
  int64_t room() const;
  /// Adds texts; those found in the cache or too long for the model go to the sink at once.
  void push(std::span<const BatchText> texts, RowSink& sink);
  void close();
  /// Runs one batch and delivers its rows. False when none could be formed: fewer texts than a window wait
  /// and more may come, or none waits at all (others may still be running).
  bool run_batch(RowSink& sink);

  /// Makes batches that are being halved end with the part that runs; their other texts get neither row nor
  /// failure.
  void stop() noexcept { stopped_ = true; }

  /// Columns of the rows, 0 before the first.
  int64_t dim() const noexcept { return dim_.load(); }
  BatchStats stats() const;

 private:
  struct Pending {
    BatchText text;
    int64_t tokens = 0;
    int64_t sequence = 0;
    std::string key;
  };
  struct Job {
    std::vector<Pending> texts;
    int64_t number = 0;
    BatchBudget::Trial trial{};  // budget 0: not timed for the calibration
    bool probe = false;
  };

  bool is_full() const;
  std::vector<Pending> look_up(std::span<const BatchText> texts, RowSink& sink);
  void count(std::vector<Pending>& texts, RowSink& sink);
  void add(std::vector<Pending> texts);
  std::optional<Job> take();
  void plan();
  void plan_timed();
  Job shortest();
  void run(const Job& job, RowSink& sink);
  bool run_part(const Job& job, std::span<const Pending> part, RowSink& sink);
  ModelRows call(const Job& job, std::span<const Pending> part, std::span<const BatchText> texts);
  void deliver(std::span<const Pending> part, const ModelRows& answer, RowSink& sink);
  void fail(const Pending& pending, const BatchFailure& failure, RowSink& sink);
  void give_up(const BatchFailure& failure, RowSink& sink);
  std::vector<BatchText> take_twins(std::string_view text);

  BatchModel& model_;
  BatchBudget& budget_;
  EmbeddingCache* cache_;
  const BatchSettings settings_;
  std::atomic<int64_t> dim_;
  std::atomic<bool> stopped_{false};

  mutable std::mutex mutex_;
  std::vector<Pending> waiting_;  // not in a plan yet
  std::deque<Job> planned_;
  std::unordered_map<std::string_view, std::vector<BatchText>>
      twins_;         // every text that waits or runs, and its equals
  int64_t size_ = 0;  // texts in waiting_ and planned_
  int64_t next_sequence_ = 0;
  int64_t next_batch_ = 0;
  int64_t failed_in_a_row_ = 0;  // texts that failed alone since the last success
  bool closed_ = false;
  BatchStats stats_;
};

}  // namespace headrace::embed
