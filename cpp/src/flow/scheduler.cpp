// Which worker does what next: later stages first, sources last, all queues bounded.
#include <cxxabi.h>

#include <algorithm>
#include <chrono>

#include "engine.h"

namespace headrace {

std::int64_t steady_ns() noexcept {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

namespace {

constexpr double kSliceNs = 2e6;     // a slice should take about this long
constexpr double kSerialNs = 200e3;  // shorter Python units gain nothing from a second thread

}  // namespace

void Runner::Engine::spawn() {
  auto worker = std::make_shared<Worker>();
  workers_.push_back(worker);
  worker->thread = std::thread([self = shared_from_this(), worker] { self->work(worker); });
}

void Runner::Engine::spawn_if_useful() {
  if (idle_ > 0 || closing_ || static_cast<std::size_t>(busy_) + 1 > most_workers_) return;
  const auto live =
      std::count_if(workers_.begin(), workers_.end(), [](const auto& w) { return !w->done && !w->replaced; });
  if (static_cast<std::size_t>(live) >= most_workers_) return;
  spawn();
}

void Runner::Engine::work(const std::shared_ptr<Worker>& self) {
  std::unique_lock lock(mutex_);
  while (!closing_ && !self->replaced) {
    bool worked = false;
    try {
      worked = take_task(lock, self);
    } catch (abi::__forced_unwind&) {
      throw;  // the interpreter ends this thread: nothing of ours may stand in its way
    } catch (...) {
      // Passing on what is durable reads the store too (items that are gone), and may find it damaged.
      if (!lock.owns_lock()) lock.lock();
      stop(std::current_exception());
    }
    if (worked || closing_ || self->replaced) continue;
    ++idle_;
    work_.wait(lock);
    --idle_;
  }
  self->done = true;
}

bool Runner::Engine::take_task(std::unique_lock<std::mutex>& lock, const std::shared_ptr<Worker>& self) {
  if (!durable_.empty()) {
    const SlicePtr slice = durable_.front();
    durable_.pop_front();
    dispatch_slice(slice);
    return true;
  }
  if (stopped()) {
    settle();
    return false;
  }
  if (const SlicePtr slice = take_slice()) {
    StageState& state = *states_[static_cast<std::size_t>(slice->stage)];
    self->serial = state.stage->policy.serial && state.unit_ns < kSerialNs && state.unit_ns > 0;
    ++state.running;
    ++busy_;
    serial_busy_ += self->serial;
    if (!state.first_ms) state.first_ms = Env::system().now_ms();
    self->slice = slice;
    spawn_if_useful();
    thread_local std::unique_ptr<Reader> reader;
    thread_local const Engine* owner = nullptr;
    if (owner != this) {
      reader = store_->reader();
      owner = this;
    }
    std::exception_ptr error;
    try {
      execute(lock, slice, *reader);
    } catch (abi::__forced_unwind&) {
      throw;  // the interpreter ends this thread: nothing of ours may stand in its way
    } catch (...) {
      error = std::current_exception();
      if (!lock.owns_lock()) lock.lock();
    }
    if (slice->abandoned) return true;  // the monitor has settled the counters
    self->slice = nullptr;
    --state.running;
    --busy_;
    serial_busy_ -= self->serial;
    if (error) stop(error);
    settle();
    return true;
  }
  if (const int source = pullable(); source >= 0) {
    ++busy_;
    spawn_if_useful();
    self->pulling = true;
    pull(lock, source, *self);
    self->pulling = false;
    if (self->replaced) return true;  // the monitor has settled the counters
    --busy_;
    settle();
    return true;
  }
  return false;
}

bool Runner::Engine::eligible(const StageState& state) const {
  if (!state.started || state.finished || state.running >= state.limit) return false;
  if (!state.armed.empty()) return true;
  if (state.ready.empty() || undurable_ >= kUndurable) return false;
  const StagePolicy& policy = state.stage->policy;
  if (policy.serial && state.unit_ns > 0 && state.unit_ns < kSerialNs && serial_busy_ > 0) return false;
  if (state.stage->form() != Form::kBatch || state.ready.size() >= static_cast<std::size_t>(policy.size))
    return true;
  // An incomplete batch goes when nothing can fill it any more, or when everything else waits for it.
  return drained(*states_[static_cast<std::size_t>(state.over)]) ||
         (busy_ == 0 && undurable_ == 0 && pullable() < 0);
}

SlicePtr Runner::Engine::take_slice() {
  for (std::size_t i = states_.size(); i-- > 0;) {
    StageState& state = *states_[i];
    if (!eligible(state)) continue;
    if (state.armed.empty()) return cut(static_cast<int>(i));
    const SlicePtr slice = state.armed.front();
    state.armed.pop_front();
    return slice;
  }
  return nullptr;
}

std::size_t Runner::Engine::slice_size(const StageState& state) const {
  const Stage& stage = *state.stage;
  if (stage.form() == Form::kBatch) return static_cast<std::size_t>(stage.policy.size);
  if (stage.form() == Form::kFlatMap || stage.form() == Form::kGroup) return 1;
  if (stage.policy.timeout > 0 || stage.policy.alone) return 1;
  if (state.unit_ns <= 0) return 1;
  const auto most = std::min<std::size_t>(kSlice, static_cast<std::size_t>(kSliceNs / state.unit_ns) + 1);
  if (state.unit_ns < kSerialNs) return most;
  const auto workers = static_cast<std::size_t>(state.limit);
  return std::min(most, std::max<std::size_t>(1, state.ready.size() / workers));
}

SlicePtr Runner::Engine::cut(int stage) {
  StageState& state = *states_[static_cast<std::size_t>(stage)];
  auto slice = std::make_shared<Slice>();
  slice->stage = stage;
  const std::size_t count = std::min(slice_size(state), state.ready.size());
  slice->units.reserve(count);
  // Items that are gone and items to work on never share a slice.
  slice->removal = state.ready.front().attempt < 0;
  while (slice->units.size() < count && (state.ready.front().attempt < 0) == slice->removal) {
    slice->units.push_back(std::move(state.ready.front()));
    state.ready.pop_front();
    if (state.ready.empty()) break;
  }
  const auto taken = static_cast<std::int64_t>(slice->units.size());
  state.in_work += taken;
  queued_ -= taken;
  return slice;
}

int Runner::Engine::pullable() const {
  for (std::size_t i = states_.size(); i-- > 0;) {
    const StageState& state = *states_[i];
    if (!state.stream || state.pulling || state.finished) continue;
    // With nothing else to do the bound gives way: a large batch, or a stage that waits for all, needs more
    // items.
    if (queued_ + undurable_ < kWindow || (busy_ == 0 && undurable_ == 0)) return static_cast<int>(i);
  }
  return -1;
}

void Runner::Engine::pull(std::unique_lock<std::mutex>& lock, int stage, const Worker& self) {
  StageState& state = *states_[static_cast<std::size_t>(stage)];
  state.pulling = true;
  SourceStream* stream = state.stream.get();
  lock.unlock();
  std::vector<Emitted> emitted;
  bool more = false;
  std::optional<Fault> fault;
  const std::int64_t began = steady_ns();
  try {
    more = stream->next(kSlice * 2, emitted);
  } catch (const FaultError& error) {
    fault = error.fault();
  } catch (abi::__forced_unwind&) {
    throw;
  } catch (const std::exception& error) {
    fault = Fault{"Error", error.what(), "", Category::kPermanent, false, false, false};
  }
  lock.lock();
  if (self.replaced) return;
  state.seconds += static_cast<double>(steady_ns() - began) * 1e-9;
  state.pulling = false;
  ingest(stage, emitted);
  if (fault) fail_item(stage, Unit(), *fault);
  if (!more || fault) {
    state.complete = !fault;
    state.stream.reset();
  }
  work_.notify_all();
}

void Runner::Engine::ingest(int stage, std::vector<Emitted>& emitted) {
  StageState& state = *states_[static_cast<std::size_t>(stage)];
  for (Emitted& one : emitted) {
    if (!options_.only_keys.empty() && !options_.only_keys.contains(one.key)) continue;
    auto item = std::make_shared<Item>();
    const auto seen = state.index->see(one.key, item->id);
    item->space = state.table.makes;
    item->key_hash = hash64(one.key);
    item->key = std::move(one.key);
    item->recorded = seen != ItemIndex::Seen::kNew;
    const std::uint64_t fingerprint = one.version ? *one.version : one.value.fingerprint();
    if (seen == ItemIndex::Seen::kTwice) {
      Unit unit;
      unit.item = item;
      fail_item(
          stage, unit,
          {"ConfigurationError",
           "the key " + item->key + " came twice: each item needs a key of its own; the first one counts", "",
           Category::kConfiguration, false, false, false});
      continue;
    }
    item->payload = std::move(one.payload);
    if (state.stage->form() == Form::kSource) {
      ++state.total;
      ++state.executed;
    }
    state.digest += mix(item->key_hash, fingerprint);
    deliver(stage, item, one.value, fingerprint, 0);
  }
}

}  // namespace headrace
