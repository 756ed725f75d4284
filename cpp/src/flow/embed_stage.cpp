#include "headrace/flow/embed_stage.h"

#include <chrono>
#include <condition_variable>
#include <cstring>
#include <thread>

#include "headrace/flow/stored_vectors.h"
#include "unit_value.h"

namespace headrace {

namespace {

using Clock = std::chrono::steady_clock;
constexpr auto kWatch = std::chrono::milliseconds(50);

/// A float32 row as the journal keeps arrays: the frame of headrace._internal.blobs, then the elements.
void append_array(std::string& out, std::span<const float> row) {
  const auto size = static_cast<std::int64_t>(row.size());
  out.append(
      "HRB\x01\x05"
      "array\x01\x03<f4\x01",
      16);
  out.append(reinterpret_cast<const char*>(&size), sizeof size);
  out.append(reinterpret_cast<const char*>(row.data()), row.size_bytes());
}

Fault embedding_fault(const embed::BatchFailure& failure) {
  return {"EmbeddingError", failure.message, "", Category::kPermanent, true, false, false};
}

void fail_all(Slice& slice, const std::vector<std::size_t>& places, const Fault& fault) {
  for (const std::size_t place : places) slice.results[place].fault = fault;
}

}  // namespace

/// The model as one run sees it: a run that is cancelled ends it between two batches, and while it waits.
class EmbedStage::CancellableModel final : public embed::BatchModel {
 public:
  CancellableModel(std::shared_ptr<embed::BatchModel> model, CancelToken cancel)
      : model_(std::move(model)), cancel_(std::move(cancel)) {}

  embed::ModelRows embed(std::span<const embed::BatchText> texts) override {
    if (cancel_.cancelled()) throw CancelledError("the run is cancelled");
    return model_->embed(texts);
  }
  void count_tokens(std::span<const embed::BatchText> texts, std::int64_t* counts) override {
    model_->count_tokens(texts, counts);
  }
  std::int64_t dim() const override { return model_->dim(); }
  std::int64_t max_text_tokens() const override { return model_->max_text_tokens(); }
  bool is_fatal(const std::exception_ptr& error) const override {
    return embed::BatchModel::is_fatal(error) || model_->is_fatal(error);
  }
  void stop() noexcept override { model_->stop(); }

  /// Tells the model to stop when the run is cancelled, until this is destroyed.
  std::jthread watch() {
    return std::jthread([this](const std::stop_token& done) {
      std::mutex mutex;
      std::unique_lock lock(mutex);
      std::condition_variable_any wake;
      while (!wake.wait_for(lock, done, kWatch, [&] { return done.stop_requested(); })) {
        if (cancel_.cancelled()) model_->stop();
      }
    });
  }

 private:
  std::shared_ptr<embed::BatchModel> model_;
  CancelToken cancel_;
};

EmbedStage::EmbedStage(std::string name, std::string identity, std::shared_ptr<embed::BatchModel> model,
                       EmbedSettings settings)
    : Stage(std::move(name), Form::kBatch),
      identity_(std::move(identity)),
      settings_(std::move(settings)),
      inner_(std::move(model)) {
  const bool cached = settings_.store || settings_.cache;
  if (cached && settings_.batch.model_id.empty())
    throw ConfigurationError("stage '" + this->name() +
                             "': the embedding cache needs a model_id (or cache=None)");
  const embed::Batcher checked(*inner_, settings_.batch, settings_.max_tokens, settings_.workers);
  policy.size = static_cast<int>(settings_.batch.window);
  policy.workers = 1;
}

EmbedStage::~EmbedStage() = default;

void EmbedStage::prepare(const RunInfo& run) {
  model_ = std::make_unique<CancellableModel>(inner_, run.cancel);
  cache_ = settings_.cache;
  if (!cache_ && settings_.store && run.store)
    cache_ = std::make_shared<StoredVectors>(run.store, settings_.batch.model_id);
  batcher_ = std::make_unique<embed::Batcher>(*model_, settings_.batch, settings_.max_tokens,
                                              settings_.workers, cache_.get());
}

void EmbedStage::run(const RunInfo& run, Slice& slice) {
  std::call_once(prepared_, [&] { prepare(run); });
  const auto began = Clock::now();
  std::vector<std::string> texts;
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < slice.units.size(); ++i) {
    try {
      texts.push_back(native::text_of(native::parse_value(slice.units[i].value), settings_.field, "a text"));
      places.push_back(i);
    } catch (const ConfigurationError& error) {
      slice.results[i].fault = native::configuration_fault(error.what());
    }
  }
  try {
    embed(slice, texts, places);
  } catch (const StorageError&) {
    throw;
  } catch (const std::exception& error) {
    const std::string what = error.what();
    Fault fault = native::configuration_fault(what.substr(0, what.find('\n')));
    fault.interrupted = run.cancel.cancelled();
    fail_all(slice, places, fault);
  }
  const auto spent = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - began).count();
  for (UnitResult& result : slice.results)
    result.micros = spent / static_cast<std::int64_t>(slice.results.size());
}

void EmbedStage::embed(Slice& slice, const std::vector<std::string>& texts,
                       const std::vector<std::size_t>& places) {
  embed::Embedded embedded;
  {
    const std::jthread watcher = model_->watch();
    embedded = batcher_->embed(std::vector<std::string_view>(texts.begin(), texts.end()));
  }
  for (const embed::Embedded::Failed& failed : embedded.failed)
    slice.results[places[static_cast<std::size_t>(failed.index)]].fault = embedding_fault(failed.failure);
  auto buffer = std::make_shared<std::string>();
  std::vector<std::size_t> begins;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    begins.push_back(buffer->size());
    append_array(*buffer, std::as_const(embedded.rows).row(static_cast<std::int64_t>(i)));
  }
  begins.push_back(buffer->size());
  for (std::size_t i = 0; i < texts.size(); ++i) {
    UnitResult& result = slice.results[places[i]];
    const std::string_view bytes(buffer->data() + begins[i], begins[i + 1] - begins[i]);
    if (!result.fault) result.value = Value(buffer, bytes, false);
  }
}

}  // namespace headrace
