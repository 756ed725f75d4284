// One slice in a worker: what is recorded already is passed on, the rest is run and handed to the journal.
#include <nlohmann/json.hpp>

#include "engine.h"

namespace headrace {

namespace {

/// Whether an effect that ended so may have happened all the same: then its intent stays, and the next run
/// asks.
bool may_have_happened(const StagePolicy& policy, const Fault& fault) {
  return policy.reconciles || fault.error_type == "StateInconsistencyError" ||
         fault.error_type == "TimeoutError" || fault.error_type == "ResourceError";
}

bool is_step(const StageState& state) {
  return state.stage->form() == Form::kStep;
}

Fault not_recorded() {
  return {"StateInconsistencyError",
          "nothing is recorded for it: run this stage first",
          "",
          Category::kConfiguration,
          false,
          false,
          false};
}

}  // namespace

void Runner::Engine::execute(std::unique_lock<std::mutex>& lock, const SlicePtr& slice, Reader& reader) {
  StageState& state = *states_[static_cast<std::size_t>(slice->stage)];
  lock.unlock();
  std::vector<std::pair<Unit, UnitResult>> found;
  if (!slice->removal && !slice->armed) look_up(*slice, reader, found);
  restore(slice->stage, found);
  if (!slice->units.empty() && state.stage->policy.effect && !slice->armed && !slice->removal) {
    arm(slice);
    lock.lock();
    for (auto& [unit, result] : found) dispatch(slice->stage, unit, result, true);
    state.in_work -= static_cast<std::int64_t>(found.size());
    return;
  }
  double spent = 0;
  if (!slice->units.empty()) {
    load_origins(*slice, reader);
    slice->results.resize(slice->units.size());
    const std::int64_t began = steady_ns();
    if (state.stage->policy.timeout > 0) {
      slice->deadline_ns = began + static_cast<std::int64_t>(state.stage->policy.timeout * 1e9);
      monitor_wakes_.notify_one();
    }
    const std::vector<Unit> armed = slice->armed ? slice->units : std::vector<Unit>();
    state.stage->run(info, *slice);
    spent = static_cast<double>(steady_ns() - began);
    if (armed.size() > slice->units.size()) {
      Batch batch;
      take_back(batch, state, armed, slice->units.size());
      store_->append(std::move(batch));
    }
  }
  lock.lock();
  slice->deadline_ns = 0;
  if (slice->abandoned) return;
  for (auto& [unit, result] : found) dispatch(slice->stage, unit, result, true);
  state.in_work -= static_cast<std::int64_t>(found.size());
  if (slice->units.empty()) return;
  const double each = spent / static_cast<double>(slice->units.size());
  state.unit_ns = state.unit_ns > 0 ? 0.7 * state.unit_ns + 0.3 * each : std::max(1.0, each);
  state.seconds += spent * 1e-9;
  undurable_ += static_cast<std::int64_t>(slice->units.size());
  lock.unlock();
  try {
    record(slice, reader);
  } catch (...) {
    lock.lock();
    undurable_ -= static_cast<std::int64_t>(slice->units.size());
    throw;
  }
  lock.lock();
}

void Runner::Engine::look_up(Slice& slice, Reader& reader, std::vector<std::pair<Unit, UnitResult>>& found) {
  const StageState& state = *states_[static_cast<std::size_t>(slice.stage)];
  const bool flat = state.stage->form() == Form::kFlatMap;
  if (state.table.recorded == 0 && state.mode == StageMode::kRun && !state.stage->policy.effect) {
    if (!flat || state.next_item == 1) return;
  }
  std::size_t kept = 0;
  for (Unit& unit : slice.units) {
    UnitResult result;
    // A new key has no record; a retry has looked before.
    const bool fresh = unit.item && !unit.item->recorded;
    const bool hit =
        !fresh && unit.attempt == 1 &&
        (flat ? look_up_children(state, unit, reader, result) : look_up_unit(state, unit, reader, result));
    if (hit) {
      found.emplace_back(std::move(unit), std::move(result));
    } else {
      if (&slice.units[kept] != &unit) slice.units[kept] = std::move(unit);
      ++kept;
    }
  }
  slice.units.resize(kept);
}

bool Runner::Engine::look_up_unit(const StageState& state, Unit& unit, Reader& reader, UnitResult& result) {
  const ItemId id = unit.item ? unit.item->id : 1;
  const std::uint64_t key_hash = unit.item ? unit.item->key_hash : hash64("");
  if (state.stage->policy.effect) unit.reconcile = reader.has_intent(state.table.units, id);
  auto record = reader.find(state.table.units, id, key_hash);
  const bool replay = state.mode == StageMode::kReplay;
  if (record && !unit.reconcile && (replay || options_.skip_existing) &&
      (replay || record->input == identity(state, unit))) {
    result.value = record->value;
    if (!is_step(state) || replay || record->run == info.number || !state.waits.empty() ||
        state.stage->still_valid(info, *record)) {
      return true;
    }
    result.value = {};
  }
  if (replay) {
    result.fault = not_recorded();
    return true;
  }
  unit.replaces = record.has_value();
  if (!record || unit.reconcile) return false;
  if (state.stage->policy.guarded) unit.previous = record->value;
  if (is_step(state) || !options_.skip_existing) return false;
  const auto older = reader.find_history(state.table.units, id, identity(state, unit), key_hash);
  if (!older || state.stage->policy.effect) return false;
  // The same identity as some time ago: its result becomes the current one again, without running it.
  result.value = older->value;
  result.micros = -1;
  return true;
}

bool Runner::Engine::look_up_children(const StageState& state, Unit& unit, Reader& reader,
                                      UnitResult& result) {
  if (state.stage->policy.effect) unit.reconcile = reader.has_intent(state.table.units, unit.item->id);
  const auto parent = reader.find(state.table.parents, unit.item->id, unit.item->key_hash);
  const bool replay = state.mode == StageMode::kReplay;
  if (!parent || unit.reconcile ||
      (!replay && (!options_.skip_existing || parent->input != identity(state, unit)))) {
    unit.replaces = parent.has_value();
    if (parent && state.stage->policy.guarded) unit.previous = parent->value;
    if (replay) result.fault = not_recorded();
    return replay;
  }
  auto parts = std::make_shared<std::vector<Part>>();
  std::vector<ItemRow> rows;
  reader.items(state.table.makes, unit.item->id, [&](const ItemRow& row) { rows.push_back(row); });
  for (ItemRow& row : rows) {
    auto child = std::make_shared<Item>();
    child->id = row.id;
    child->space = row.space;
    child->sequence = row.sequence;
    child->key = std::move(row.key);
    child->key_hash = hash64(child->key);
    child->parent = unit.item;
    child->recorded = true;
    auto record = reader.find(state.table.units, child->id, child->key_hash);
    if (!record)
      throw CheckpointCorruptionError("the record of " + child->key + " is missing from the store");
    const std::uint64_t fingerprint = record->value.fingerprint();
    parts->push_back({std::move(child), std::move(record->value), fingerprint});
  }
  unit.parts = std::move(parts);
  return true;
}

/// What an older identity had recorded and now holds again becomes the current record.
void Runner::Engine::restore(int stage, const std::vector<std::pair<Unit, UnitResult>>& found) {
  const StageState& state = *states_[static_cast<std::size_t>(stage)];
  Batch batch;
  for (const auto& [unit, result] : found) {
    if (result.micros >= 0) continue;
    const Checkpoint unit_record{unit.item->id, identity(state, unit), result.value, 0, 0};
    batch.units.push_back({state.table.units, unit_record, unit.item->key_hash, true});
  }
  if (!batch.units.empty()) store_->append(std::move(batch));
}

void Runner::Engine::load_origins(Slice& slice, Reader& reader) {
  for (Unit& unit : slice.units) {
    if (unit.origin == 0 || !unit.value.empty()) continue;
    auto record = reader.find(unit.origin, unit.item->id, unit.item->key_hash);
    if (!record)
      throw CheckpointCorruptionError("the record of " + unit.item->key + " is missing from the store");
    unit.value = std::move(record->value);
  }
}

/// Effects: the intent of every unit is durable before one of them acts.
void Runner::Engine::arm(const SlicePtr& slice) {
  const StageState& state = *states_[static_cast<std::size_t>(slice->stage)];
  Batch batch;
  for (const Unit& unit : slice->units) {
    if (unit.item) record_item(batch, *unit.item);
    batch.effects.push_back({state.table.units, unit.item ? unit.item->id : 1, identity(state, unit), false});
  }
  batch.durable = [self = shared_from_this(), slice](const std::exception_ptr& error) {
    const std::lock_guard lock(self->mutex_);
    self->undurable_ -= static_cast<std::int64_t>(slice->units.size());
    if (error) return self->stop(error);
    slice->armed = true;
    self->states_[static_cast<std::size_t>(slice->stage)]->armed.push_back(slice);
    self->work_.notify_one();
  };
  {
    const std::lock_guard lock(mutex_);
    undurable_ += static_cast<std::int64_t>(slice->units.size());
  }
  store_->append(std::move(batch));
}

/// Intents of effects that were not begun are taken back; but not of those that may have happened earlier.
void Runner::Engine::take_back(Batch& batch, const StageState& state, const std::vector<Unit>& units,
                               std::size_t from) {
  for (std::size_t i = from; i < units.size(); ++i) {
    const Unit& unit = units[i];
    if (unit.reconcile || (unit.attempt > 1 && state.stage->policy.reconciles)) continue;
    batch.effects.push_back({state.table.units, unit.item ? unit.item->id : 1, 0, true});
  }
}

namespace {

/// Children of one parent need keys of their own: else one would take the other's place.
void check_children(const Stage& stage, UnitResult& result) {
  if (stage.form() != Form::kFlatMap) return;
  std::unordered_set<std::string_view> keys;
  for (const Emitted& child : result.children) {
    if (keys.insert(child.key).second) continue;
    result.fault = Fault{"ConfigurationError",
                         "the key " + child.key + " came twice: each child needs a key of its own",
                         "",
                         Category::kConfiguration,
                         false,
                         false,
                         false};
    return;
  }
}

}  // namespace

void Runner::Engine::record(const SlicePtr& slice, Reader& reader) {
  StageState& state = *states_[static_cast<std::size_t>(slice->stage)];
  Batch batch;
  batch.units.reserve(slice->units.size());
  for (std::size_t i = 0; i < slice->units.size(); ++i) {
    Unit& unit = slice->units[i];
    UnitResult& result = slice->results[i];
    if (result.fault && result.fault->fatal) throw StorageError(result.fault->message);
    if (result.fault && result.fault->interrupted && stopped()) continue;
    if (!result.fault) check_children(*state.stage, result);
    if (!result.fault && slice->removal) {
      batch.forgotten.emplace_back(state.table.units, unit.item->id);
      retire_children(batch, unit.item->space, unit.item->id, reader);
      batch.events.push_back({"removed", state.stage->name(), R"({"key":)" + unit.item->key + "}"});
    } else if (!result.fault) {
      record_unit(batch, state, unit, result, reader);
    } else {
      // Decided once: a run that is cancelled meanwhile must not list what it hasn't recorded.
      result.again = !slice->removal && unit.attempt < state.stage->policy.retry.attempts &&
                     result.fault->retryable && !stopped();
      if (!result.again) record_fault(batch, slice->stage, unit, *result.fault);
      // Tried again without a reconcile: its error means that nothing has happened.
      if (result.again && state.stage->policy.effect && !state.stage->policy.reconciles)
        batch.effects.push_back({state.table.units, unit.item ? unit.item->id : 1, 0, true});
    }
  }
  batch.durable = [self = shared_from_this(), slice](const std::exception_ptr& error) {
    const std::lock_guard lock(self->mutex_);
    self->undurable_ -= static_cast<std::int64_t>(slice->units.size());
    if (error) return self->stop(error);
    self->durable_.push_back(slice);
    self->work_.notify_one();
  };
  store_->append(std::move(batch));
}

void Runner::Engine::record_unit(Batch& batch, StageState& state, Unit& unit, UnitResult& result,
                                 Reader& reader) {
  if (unit.item) record_item(batch, *unit.item);
  if (state.stage->form() == Form::kFlatMap) return record_children(batch, state, unit, result, reader);
  const ItemId id = unit.item ? unit.item->id : 1;
  const std::uint64_t key_hash = unit.item ? unit.item->key_hash : hash64("");
  batch.units.push_back({state.table.units,
                         {id, identity(state, unit), result.value, 0, result.micros},
                         key_hash,
                         unit.replaces});
  if (state.stage->policy.effect) batch.effects.push_back({state.table.units, id, 0, true});
}

namespace {

std::string child_key(const Item& parent, const std::string& local) {
  auto key = nlohmann::json::parse(parent.key);
  if (!key.is_array()) key = nlohmann::json::array({std::move(key)});
  key.push_back(nlohmann::json::parse(local));
  return key.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace

/// The children of one parent become durable together, with the record that the parent is done. A child whose
/// key was there before keeps its identity, so that what hangs on an unchanged child is not run again.
void Runner::Engine::record_children(Batch& batch, StageState& state, Unit& unit, UnitResult& result,
                                     Reader& reader) {
  std::unordered_map<std::string, ItemRow> before;
  if (unit.replaces) {
    reader.items(state.table.makes, unit.item->id, [&](const ItemRow& row) { before.emplace(row.key, row); });
  }
  auto parts = std::make_shared<std::vector<Part>>();
  for (Emitted& emitted : result.children) {
    auto child = std::make_shared<Item>();
    child->space = state.table.makes;
    child->sequence = static_cast<std::int64_t>(parts->size());
    child->key = child_key(*unit.item, emitted.key);
    child->key_hash = hash64(child->key);
    child->parent = unit.item;
    const auto known = before.find(child->key);
    const bool reused = known != before.end();
    child->id = reused ? known->second.id : state.next_item++;
    const ItemRow row{child->space, child->id, unit.item->id, child->sequence, child->key};
    if (!reused) batch.items.push_back(row);
    if (reused && known->second.sequence != child->sequence) batch.moved.push_back(row);
    child->recorded = true;
    const std::uint64_t fingerprint = emitted.value.fingerprint();
    batch.units.push_back({state.table.units,
                           {child->id, fingerprint, emitted.value, 0, result.micros},
                           child->key_hash,
                           reused});
    if (reused) before.erase(known);
    parts->push_back({std::move(child), std::move(emitted.value), fingerprint});
  }
  for (const auto& [key, row] : before) retire_children(batch, state.table.makes, row.id, reader);
  batch.units.push_back(
      {state.table.parents,
       {unit.item->id, identity(state, unit), Value::json(std::to_string(parts->size())), 0, result.micros},
       unit.item->key_hash,
       unit.replaces});
  if (state.stage->policy.effect) batch.effects.push_back({state.table.units, unit.item->id, 0, true});
  unit.parts = std::move(parts);
}

void Runner::Engine::record_item(Batch& batch, Item& item) {
  if (item.recorded.exchange(true)) return;
  batch.items.push_back({item.space, item.id, item.parent ? item.parent->id : 0, item.sequence, item.key});
}

void Runner::Engine::record_fault(Batch& batch, int stage, const Unit& unit, const Fault& fault) {
  const StageState& state = *states_[static_cast<std::size_t>(stage)];
  log_fault(stage, unit, fault);
  batch.failures.push_back({state.stage->name(), unit.item ? unit.item->key : "",
                            category_name(fault.category), fault.error_type, fault.message, fault.traceback,
                            std::max(1, unit.attempt)});
  const nlohmann::json detail = {
      {"key", unit.item ? unit.item->key : ""}, {"error", fault.error_type}, {"message", fault.message}};
  batch.events.push_back({"unit_failed", state.stage->name(),
                          detail.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)});
  if (state.stage->policy.effect && !may_have_happened(state.stage->policy, fault))
    batch.effects.push_back({state.table.units, unit.item ? unit.item->id : 1, 0, true});
}

/// An item that is no more, and all below it.
void Runner::Engine::retire_children(Batch& batch, std::int64_t space, ItemId id, Reader& reader) {
  batch.gone.emplace_back(space, id);
  for (const auto& state : states_) {
    if (state->stage->form() != Form::kFlatMap) continue;
    const int over_space_owner = stage_of(items_of(state->over));
    if (states_[static_cast<std::size_t>(over_space_owner)]->table.makes != space) continue;
    std::vector<ItemId> children;
    reader.items(state->table.makes, id, [&](const ItemRow& row) { children.push_back(row.id); });
    for (const ItemId child : children) retire_children(batch, state->table.makes, child, reader);
  }
}

}  // namespace headrace
