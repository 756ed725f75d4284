// What is durable is passed on: to the stages that take it, to the groups that wait for it. All under mutex_.
#include <algorithm>

#include "engine.h"

namespace headrace {

namespace {

/// The items of a source, or of a step's value: opened outside of the engine's lock, at the first pull.
class LazyStream final : public SourceStream {
 public:
  LazyStream(Stage& stage, const RunInfo& info, Value value)
      : stage_(stage), info_(info), value_(std::move(value)) {}

  bool next(std::size_t most, std::vector<Emitted>& out) override {
    if (stage_.form() == Form::kStep) {
      out = stage_.split(info_, value_);
      return false;
    }
    if (!inner_) inner_ = stage_.open(info_);
    return inner_->next(most, out);
  }

 private:
  Stage& stage_;
  const RunInfo& info_;
  Value value_;
  std::unique_ptr<SourceStream> inner_;
};

bool before(const Item* a, const Item* b) {
  if (a->parent && b->parent && a->parent != b->parent && a->parent->id != b->parent->id) {
    return before(a->parent.get(), b->parent.get());
  }
  return a->sequence != b->sequence ? a->sequence < b->sequence : a->id < b->id;
}

const Item* ancestor(const std::shared_ptr<Item>& item, std::int64_t space) {
  const Item* at = item.get();
  while (at && at->space != space) at = at->parent.get();
  return at;
}

}  // namespace

void Runner::Engine::dispatch_slice(const SlicePtr& slice) {
  StageState& state = *states_[static_cast<std::size_t>(slice->stage)];
  for (std::size_t i = 0; i < slice->units.size(); ++i) {
    Unit& unit = slice->units[i];
    UnitResult& result = slice->results[i];
    --state.in_work;
    if (result.fault && result.fault->interrupted && stopped()) continue;
    if (slice->removal) {
      result.fault ? fail_unit(slice->stage, unit, *result.fault) : static_cast<void>(++state.executed);
      continue;
    }
    const RetryPolicy& retry = state.stage->policy.retry;
    if (result.again) {
      ++unit.attempt;
      ++state.retries;
      ++state.delayed;
      const double draw =
          static_cast<double>(
              mix(unit.item ? unit.item->key_hash : 0, static_cast<std::uint64_t>(unit.attempt)) >> 11) *
          0x1p-53;
      const double delay = retry.delay_before(unit.attempt, draw);
      log_retry(slice->stage, unit, *result.fault, delay);
      const auto due = steady_ns() + static_cast<std::int64_t>(delay * 1e9);
      delayed_.emplace(due, Delayed{slice->stage, std::move(unit)});
      monitor_wakes_.notify_one();
      continue;
    }
    state.latency.add(result.micros);
    dispatch(slice->stage, unit, result, false);
  }
  settle();
  work_.notify_all();
}

void Runner::Engine::dispatch(int stage, Unit& unit, UnitResult& result, bool skipped) {
  StageState& state = *states_[static_cast<std::size_t>(stage)];
  if (result.fault) {
    skipped ? fail_item(stage, unit, *result.fault) : fail_unit(stage, unit, *result.fault);
    return;
  }
  ++(skipped ? state.skipped : state.executed);
  if (state.stage->form() == Form::kFlatMap) {
    for (const Part& part : *unit.parts) {
      state.digest += mix(part.item->key_hash, part.fingerprint);
      deliver(stage, part.item, part.value, part.fingerprint, state.table.units);
    }
    gather(stage, unit, *unit.parts, false);
    return;
  }
  const std::uint64_t fingerprint = result.value.fingerprint();
  state.digest += mix(unit.item ? unit.item->key_hash : 0, fingerprint);
  if (state.index) state.stream = std::make_unique<LazyStream>(*state.stage, info, result.value);
  if (!unit.item) return;
  deliver(stage, unit.item, result.value, fingerprint, state.table.units);
  if (!state.gatherings.empty()) gather(stage, unit, {{unit.item, result.value, fingerprint}}, false);
}

void Runner::Engine::deliver(int stage, const std::shared_ptr<Item>& item, const Value& value,
                             std::uint64_t fingerprint, std::int64_t origin) {
  for (const int consumer : states_[static_cast<std::size_t>(stage)]->consumers) {
    StageState& state = *states_[static_cast<std::size_t>(consumer)];
    if (state.mode == StageMode::kOff || state.stage->form() == Form::kGroup || state.finished) continue;
    Unit unit;
    unit.item = item;
    unit.fingerprint = fingerprint;
    unit.origin = origin;
    // A stage that still waits for others reads the value back later: memory stays bounded.
    if (state.started || origin == 0) unit.value = value;
    open_family(consumer, item);
    state.ready.push_back(std::move(unit));
    ++state.total;
    ++queued_;
  }
}

void Runner::Engine::open_family(int consumer, const std::shared_ptr<Item>& item) {
  for (Gathering& gathering : gatherings_) {
    if (gathering.entry != consumer || item->space != gathering.space) continue;
    if (states_[static_cast<std::size_t>(gathering.group)]->mode == StageMode::kOff) continue;
    Family family;
    family.parent = item;
    family.pending = 1;
    gathering.families.emplace(item->id, std::move(family));
  }
}

void Runner::Engine::gather(int stage, const Unit& unit, const std::vector<Part>& parts, bool failed) {
  if (!unit.item) return;
  for (const std::size_t index : states_[static_cast<std::size_t>(stage)]->gatherings) {
    Gathering& gathering = gatherings_[index];
    const Item* parent = ancestor(unit.item, gathering.space);
    const auto found = parent ? gathering.families.find(parent->id) : gathering.families.end();
    if (found == gathering.families.end()) continue;
    Family& family = found->second;
    if (failed) {
      family.failed = true;
      --family.pending;
    } else if (stage == gathering.last) {
      family.parts.insert(family.parts.end(), parts.begin(), parts.end());
      --family.pending;
    } else if (states_[static_cast<std::size_t>(stage)]->stage->form() == Form::kFlatMap) {
      family.pending += static_cast<std::int64_t>(parts.size()) - 1;
    }
    if (family.pending == 0) close_family(gathering, parent->id);
  }
}

void Runner::Engine::close_family(Gathering& gathering, ItemId id) {
  Family family = std::move(gathering.families.at(id));
  gathering.families.erase(id);
  if (family.failed) return;  // an incomplete parent is never passed on; its failure is listed already
  StageState& state = *states_[static_cast<std::size_t>(gathering.group)];
  auto parts = std::make_shared<std::vector<Part>>(std::move(family.parts));
  std::sort(parts->begin(), parts->end(),
            [](const Part& a, const Part& b) { return before(a.item.get(), b.item.get()); });
  Unit unit;
  unit.item = std::move(family.parent);
  for (const Part& part : *parts)
    unit.fingerprint = mix(mix(unit.fingerprint, part.item->key_hash), part.fingerprint);
  unit.parts = std::move(parts);
  state.ready.push_back(std::move(unit));
  ++state.total;
  ++queued_;
}

/// A failure that no slice has recorded: of a source, of a key, of a replayed stage.
void Runner::Engine::fail_item(int stage, const Unit& unit, const Fault& fault) {
  Batch batch;
  record_fault(batch, stage, unit, fault);
  store_->append(std::move(batch));
  fail_unit(stage, unit, fault);
}

void Runner::Engine::fail_unit(int stage, const Unit& unit, const Fault& fault) {
  StageState& state = *states_[static_cast<std::size_t>(stage)];
  ++state.failed;
  const std::string key = unit.item ? unit.item->key : "";
  state.digest += mix(hash64(key), 0xdeadULL);
  failures_.push_back({state.stage->name(), key, fault, std::max(1, unit.attempt)});
  failures_.back().fault.traceback.clear();
  gather(stage, unit, {}, true);
  if (state.stage->policy.on_error != OnError::kStop) return;
  stop(std::make_exception_ptr(
      StageError(state.stage->name(), key.empty() ? "-" : key, fault.error_type + ": " + fault.message)));
}

bool Runner::Engine::drained(const StageState& state) const {
  if (state.finished) return true;
  if (!state.started || state.stream || state.pulling) return false;
  if (!state.ready.empty() || !state.armed.empty() || state.in_work > 0 || state.delayed > 0) return false;
  return state.over < 0 || drained(*states_[static_cast<std::size_t>(state.over)]);
}

bool Runner::Engine::triggered(const StageState& state) const {
  bool failed = false;
  bool left_letters = false;
  for (const int before : state.ancestors) {
    const RunStatus status = states_[static_cast<std::size_t>(before)]->status;
    failed |= status == RunStatus::kFailed;
    left_letters |= status == RunStatus::kPartial;
  }
  switch (state.stage->policy.trigger) {
    case Trigger::kAlways:
      return true;
    case Trigger::kOnFailure:
      return failed || left_letters;
    case Trigger::kOnSuccess:
      return !failed;
  }
  return true;
}

bool Runner::Engine::start_stage(int stage) {
  StageState& state = *states_[static_cast<std::size_t>(stage)];
  const auto ended = [&](int before) { return states_[static_cast<std::size_t>(before)]->finished; };
  if (!std::all_of(state.waits.begin(), state.waits.end(), ended)) return false;
  state.started = true;
  if (state.mode == StageMode::kOff || (!state.waits.empty() && !triggered(state))) {
    queued_ -= static_cast<std::int64_t>(state.ready.size());
    state.ready.clear();
    finish_stage(stage, RunStatus::kSkipped);
    return true;
  }
  state.status = RunStatus::kRunning;
  for (const int wait : state.waits) {
    state.environment = mix(state.environment, states_[static_cast<std::size_t>(wait)]->digest);
    for (const int further : states_[static_cast<std::size_t>(wait)]->ancestors) {
      state.environment = mix(state.environment, states_[static_cast<std::size_t>(further)]->digest);
    }
  }
  if (state.stage->form() == Form::kSource) {
    state.stream = std::make_unique<LazyStream>(*state.stage, info, Value());
  } else if (state.stage->form() == Form::kStep) {
    state.ready.emplace_back();
    state.total = 1;
    ++queued_;
  }
  return true;
}

void Runner::Engine::finish_stage(int stage, RunStatus status) {
  StageState& state = *states_[static_cast<std::size_t>(stage)];
  state.finished = true;
  state.status = status;
  log_stage(stage);
  if (state.index && status == RunStatus::kSucceeded && options_.only_keys.empty()) retire(stage);
  state.index.reset();
  Batch batch;
  batch.events.push_back(
      {"stage_finished", state.stage->name(), std::string(R"({"status":")") + status_name(status) + "\"}"});
  batch.stages.push_back(stage_row(static_cast<std::size_t>(stage)));
  store_->append(std::move(batch));
}

void Runner::Engine::settle() {
  if (ended_) return;
  for (bool changed = !stopped(); changed;) {
    changed = false;
    for (std::size_t i = 0; i < states_.size(); ++i) {
      StageState& state = *states_[i];
      const int stage = static_cast<int>(i);
      if (!state.started && start_stage(stage)) changed = true;
      if (!state.started || state.finished || !drained(state)) continue;
      const Form form = state.stage->form();
      const bool failed =
          state.failed > 0 && (form == Form::kStep || (form == Form::kSource && !state.complete));
      const RunStatus above =
          state.over < 0 ? RunStatus::kSucceeded : states_[static_cast<std::size_t>(state.over)]->status;
      const bool starved = state.total == 0 && (above == RunStatus::kFailed || above == RunStatus::kSkipped);
      finish_stage(stage, failed             ? RunStatus::kFailed
                          : state.failed > 0 ? RunStatus::kPartial
                          : starved          ? RunStatus::kSkipped
                                             : RunStatus::kSucceeded);
      changed = true;
    }
  }
  const bool all =
      std::all_of(states_.begin(), states_.end(), [](const auto& state) { return state->finished; });
  if ((all || stopped()) && busy_ == 0 && undurable_ == 0 && durable_.empty()) {
    ended_ = true;
    monitor_wakes_.notify_one();
  }
}

/// Items that the source no longer has: their stages' removed() is called, then they are marked as gone.
void Runner::Engine::retire(int stage) {
  StageState& source = *states_[static_cast<std::size_t>(stage)];
  std::unordered_map<ItemId, bool> gone;
  source.index->unseen([&](ItemId id) { gone.emplace(id, true); });
  if (gone.empty()) return;
  const auto reader = store_->reader();
  Batch batch;
  reader->items(source.table.makes, std::nullopt, [&](const ItemRow& row) {
    if (!gone.contains(row.id)) return;
    bool handled = false;
    for (const auto& state : states_) {
      if (!state->stage->policy.removes || state->table.space != row.space || state->mode != StageMode::kRun)
        continue;
      Unit unit;
      unit.item = std::make_shared<Item>();
      unit.item->id = row.id;
      unit.item->space = row.space;
      unit.item->key = row.key;
      unit.item->key_hash = hash64(row.key);
      unit.item->recorded = true;
      unit.attempt = -1;
      state->ready.push_back(std::move(unit));
      ++state->total;
      ++queued_;
      handled = true;
    }
    if (!handled) retire_children(batch, row.space, row.id, *reader);
  });
  store_->append(std::move(batch));
}

}  // namespace headrace
