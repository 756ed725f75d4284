#include "headrace/embed/batch_stream.h"

#include <algorithm>
#include <utility>

#include "batch_failures.h"
#include "headrace/base/error.h"

namespace headrace::embed {
namespace {

constexpr int64_t kTextsToTime = 64;  // fewer that wait tell nothing about budgets

}  // namespace

BatchStream::BatchStream(BatchModel& model, BatchBudget& budget, EmbeddingCache* cache,
                         BatchSettings settings)
    : model_(model), budget_(budget), cache_(cache), settings_(std::move(settings)), dim_(model.dim()) {
  if (settings_.max_batch < 1) throw ConfigurationError("max_batch must be at least 1");
  if (settings_.window < 1) throw ConfigurationError("window must be at least 1");
  if (cache_ != nullptr && settings_.model_id.empty()) {
    throw ConfigurationError("a cache needs a model_id: rows of different models must not be mixed up");
  }
}

// Room comes in quarters of the window, so that texts come in decent numbers and batches are planned rarely.
bool BatchStream::is_full() const {
  return settings_.window - size_ < std::max<int64_t>(1, settings_.window / 4);
}

int64_t BatchStream::room() const {
  const std::lock_guard lock(mutex_);
  return is_full() ? 0 : settings_.window - size_;
}

void BatchStream::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
}

BatchStats BatchStream::stats() const {
  const std::lock_guard lock(mutex_);
  return stats_;
}

void BatchStream::push(std::span<const BatchText> texts, RowSink& sink) {
  std::vector<BatchText> different;
  {
    const std::lock_guard lock(mutex_);
    for (const BatchText& text : texts) {
      const auto [entry, is_new] = twins_.try_emplace(text.text);
      if (is_new) {
        different.push_back(text);
      } else {
        entry->second.push_back(text);
        ++stats_.duplicates;
      }
    }
  }
  std::vector<Pending> unknown = look_up(different, sink);
  count(unknown, sink);
  add(std::move(unknown));
}

std::vector<BatchStream::Pending> BatchStream::look_up(std::span<const BatchText> texts, RowSink& sink) {
  std::vector<Pending> unknown;
  if (cache_ == nullptr) {
    for (const BatchText& text : texts) unknown.push_back({text, 0, 0, {}});
    return unknown;
  }
  std::vector<std::string> keys;
  for (const BatchText& text : texts) keys.push_back(cache_key(settings_.model_id, text.text));
  const CachedRows found = cache_->get(keys);
  if (found.rows.size() != keys.size())
    throw ConfigurationError("the cache answered for another number of keys");
  for (size_t i = 0; i < texts.size(); ++i) {
    int64_t known = 0;
    if (is_usable(found.rows[i], dim_))
      dim_.compare_exchange_strong(known, static_cast<int64_t>(found.rows[i].size()));
    if (!is_usable(found.rows[i], dim_)) {
      unknown.push_back({texts[i], 0, 0, std::move(keys[i])});
      continue;
    }
    sink.row(texts[i], found.rows[i]);
    const std::vector<BatchText> twins = take_twins(texts[i].text);
    for (const BatchText& twin : twins) sink.row(twin, found.rows[i]);
    const std::lock_guard lock(mutex_);
    ++stats_.cached;
  }
  return unknown;
}

// A counter that throws for one text must not take the others with it.
void BatchStream::count(std::vector<Pending>& texts, RowSink& sink) {
  std::vector<BatchText> asked;
  for (const Pending& pending : texts) asked.push_back(pending.text);
  std::vector<int64_t> counts(texts.size(), -1);
  std::vector<BatchFailure> failures(texts.size());
  try {
    model_.count_tokens(asked, counts.data());
  } catch (...) {
    if (model_.is_fatal(std::current_exception())) throw;
    for (size_t i = 0; i < texts.size(); ++i) {
      try {
        model_.count_tokens({&asked[i], 1}, &counts[i]);
      } catch (...) {
        if (model_.is_fatal(std::current_exception())) throw;
        failures[i] = describe_failure("counting the tokens of text " + std::to_string(asked[i].id));
      }
    }
  }
  std::vector<Pending> good;
  const int64_t limit = model_.max_text_tokens();
  for (size_t i = 0; i < texts.size(); ++i) {
    if (limit > 0 && counts[i] > limit) failures[i] = too_long(asked[i], counts[i], limit);
    if (failures[i].error) {
      fail(texts[i], failures[i], sink);
    } else {
      texts[i].tokens = std::max<int64_t>(1, counts[i]);
      good.push_back(std::move(texts[i]));
    }
  }
  texts = std::move(good);
}

void BatchStream::add(std::vector<Pending> texts) {
  const std::lock_guard lock(mutex_);
  for (Pending& pending : texts) {
    pending.sequence = next_sequence_++;
    waiting_.push_back(std::move(pending));
    ++size_;
  }
}

std::optional<BatchStream::Job> BatchStream::take() {
  const std::lock_guard lock(mutex_);
  if (planned_.empty() && (closed_ || is_full()) && !waiting_.empty()) {
    std::sort(waiting_.begin(), waiting_.end(), [](const Pending& a, const Pending& b) {
      return a.tokens != b.tokens ? a.tokens > b.tokens : a.sequence < b.sequence;
    });
    if (failed_in_a_row_ >= kSuspicious) {
      planned_.push_back(shortest());
    } else if (!budget_.known() && static_cast<int64_t>(waiting_.size()) >= kTextsToTime) {
      plan_timed();
    } else {
      plan();
    }
  }
  if (planned_.empty()) return std::nullopt;
  Job job = std::move(planned_.front());
  planned_.pop_front();
  job.number = next_batch_++;
  size_ -= static_cast<int64_t>(job.texts.size());
  return job;
}

// Plans all that waits, keeps the best quarter of a window, and leaves the rest to be planned with newer
// texts.
void BatchStream::plan() {
  std::vector<int64_t> counts;
  for (const Pending& pending : waiting_) counts.push_back(pending.tokens);
  const int64_t budget = budget_.best();
  std::vector<BatchRange> ranges = plan_batches(counts, {budget, settings_.max_batch});
  if (!closed_) {
    const int64_t oldest_allowed = next_sequence_ - 4 * settings_.window;
    std::vector<double> waste(waiting_.size());
    for (const BatchRange& range : ranges) {
      int64_t real = 0;
      bool overdue = false;
      for (int64_t i = range.begin; i < range.end; ++i) {
        real += counts[static_cast<size_t>(i)];
        overdue |= waiting_[static_cast<size_t>(i)].sequence < oldest_allowed;
      }
      const int64_t cost = (range.end - range.begin) * counts[static_cast<size_t>(range.begin)] + budget / 32;
      waste[static_cast<size_t>(range.begin)] =
          overdue ? 0 : static_cast<double>(cost) / static_cast<double>(real);
    }
    std::stable_sort(ranges.begin(), ranges.end(), [&](const BatchRange& a, const BatchRange& b) {
      return waste[static_cast<size_t>(a.begin)] < waste[static_cast<size_t>(b.begin)];
    });
  }
  const int64_t wanted = closed_ ? size_ : std::max<int64_t>(1, settings_.window / 4);
  std::vector<Pending> rest;
  int64_t taken = 0;
  for (const BatchRange& range : ranges) {
    const auto begin = std::make_move_iterator(waiting_.begin() + range.begin);
    const auto end = std::make_move_iterator(waiting_.begin() + range.end);
    if (taken < wanted) {
      planned_.push_back({std::vector<Pending>(begin, end), 0, {}, false});
      taken += range.end - range.begin;
    } else {
      rest.insert(rest.end(), begin, end);
    }
  }
  waiting_ = std::move(rest);
}

// One batch for the next budget on trial, of texts in the middle of the third it wants.
void BatchStream::plan_timed() {
  const BatchBudget::Trial trial = budget_.next();
  int64_t all = 0;
  for (const Pending& pending : waiting_) all += pending.tokens;
  const int64_t before = all * (2 * trial.third + 1) / (2 * BatchBudget::kThirds);
  auto first = waiting_.begin();
  for (int64_t tokens = first->tokens; tokens <= before && first + 1 != waiting_.end();
       tokens += first->tokens)
    ++first;
  const int64_t texts =
      std::clamp<int64_t>(trial.budget / std::max<int64_t>(1, first->tokens), 1, settings_.max_batch);
  const auto last = first + std::min<int64_t>(texts, waiting_.end() - first);
  planned_.push_back(
      {std::vector<Pending>(std::make_move_iterator(first), std::make_move_iterator(last)), 0, trial, false});
  waiting_.erase(first, last);
}

BatchStream::Job BatchStream::shortest() {
  Job job;
  job.texts.push_back(std::move(waiting_.back()));
  job.probe = true;
  waiting_.pop_back();
  return job;
}

std::vector<BatchText> BatchStream::take_twins(std::string_view text) {
  const std::lock_guard lock(mutex_);
  auto node = twins_.extract(text);
  return node ? std::move(node.mapped()) : std::vector<BatchText>();
}

}  // namespace headrace::embed
