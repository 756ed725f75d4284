// From a pipeline and its options to the state of a run.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "engine.h"

namespace headrace {

Runner::Engine::Engine(const Pipeline& pipeline, std::shared_ptr<RunStore> store, RunOptions options)
    : pipeline_(pipeline), store_(std::move(store)), options_(std::move(options)) {
  pipeline_.validate();
  info.pipeline = pipeline_.name();
  info.params = options_.params;
  info.config = options_.config;
  info.seed = options_.seed;
  info.store = store_;
}

int Runner::Engine::stage_of(const std::string& name) const {
  for (std::size_t i = 0; i < states_.size(); ++i) {
    if (states_[i]->stage->name() == name) return static_cast<int>(i);
  }
  return -1;
}

void Runner::Engine::plan_stages() {
  const auto ordered = pipeline_.ordered();
  const int cores = options_.threads > 0 ? options_.threads
                                         : std::max(2, static_cast<int>(std::thread::hardware_concurrency()));
  most_workers_ = static_cast<std::size_t>(cores) + 1;
  for (std::size_t i = 0; i < ordered.size(); ++i) {
    auto state = std::make_unique<StageState>();
    state->stage = ordered[i];
    state->mode = i < options_.modes.size() ? options_.modes[i] : StageMode::kRun;
    state->code = hash64(ordered[i]->identity());
    const int workers = ordered[i]->policy.workers;
    state->limit = workers > 0 ? workers : cores;
    most_workers_ += static_cast<std::size_t>(workers > 0 ? workers : 0);
    states_.push_back(std::move(state));
  }
  most_workers_ = std::min<std::size_t>(most_workers_, 512);
  for (std::size_t i = 0; i < states_.size(); ++i) {
    StageState& state = *states_[i];
    const Stage& stage = *state.stage;
    state.over = stage.over.empty() ? -1 : stage_of(stage.over);
    if (state.over >= 0)
      states_[static_cast<std::size_t>(state.over)]->consumers.push_back(static_cast<int>(i));
    for (const std::string& name : stage.after) state.waits.push_back(stage_of(name));
    for (const std::string& name : dependencies(stage)) {
      const int before = stage_of(name);
      state.ancestors.push_back(before);
      const auto& further = states_[static_cast<std::size_t>(before)]->ancestors;
      state.ancestors.insert(state.ancestors.end(), further.begin(), further.end());
    }
    std::sort(state.ancestors.begin(), state.ancestors.end());
    state.ancestors.erase(std::unique(state.ancestors.begin(), state.ancestors.end()), state.ancestors.end());
  }
}

/// Name of the space whose items a consumer of `stage` takes.
std::string Runner::Engine::items_of(int stage) const {
  const StageState& state = *states_[static_cast<std::size_t>(stage)];
  switch (state.stage->form()) {
    case Form::kMap:
    case Form::kBatch:
      return items_of(state.over);
    case Form::kGroup:
      return items_of(stage_of(state.stage->by));
    default:
      return state.stage->name();
  }
}

void Runner::Engine::plan_spaces(RunSpec& spec) {
  nlohmann::ordered_json graph = nlohmann::ordered_json::array();
  for (const auto& state : states_) {
    const Stage& stage = *state->stage;
    StageSpec row;
    row.name = stage.name();
    row.form = form_name(stage.form());
    row.fingerprint = stage.identity();
    row.runs = state->mode == StageMode::kRun;
    const bool expands = stage.form() == Form::kFlatMap;
    row.makes_items = stage.form() == Form::kSource || expands ||
                      (stage.form() == Form::kStep && !state->consumers.empty());
    if (expands) {
      row.space = stage.name();
      row.parent_space = items_of(state->over);
    } else if (stage.form() == Form::kGroup) {
      row.space = items_of(stage_of(stage.by));
    } else if (state->over >= 0) {
      row.space = items_of(state->over);
    }
    std::vector<std::string> takes;
    for (const std::string& name : {stage.over, stage.by}) {
      if (!name.empty()) takes.push_back(name);
    }
    graph.push_back(
        {{"name", row.name}, {"form", row.form}, {"after", dependencies(stage)}, {"takes", takes}});
    spec.stages.push_back(std::move(row));
  }
  spec.graph = graph.dump();
}

void Runner::Engine::plan_gatherings() {
  for (std::size_t i = 0; i < states_.size(); ++i) {
    const Stage& stage = *states_[i]->stage;
    if (stage.form() != Form::kGroup) continue;
    const std::string parents = items_of(stage_of(stage.by));
    Gathering gathering;
    gathering.group = static_cast<int>(i);
    gathering.space = states_[i]->table.space;
    gathering.last = states_[i]->over;
    std::vector<int> path;
    for (int at = gathering.last;; at = states_[static_cast<std::size_t>(at)]->over) {
      if (at < 0 || states_[static_cast<std::size_t>(at)]->stage->name() == parents) break;
      path.push_back(at);
    }
    gathering.entry = path.back();
    for (const int at : path) states_[static_cast<std::size_t>(at)]->gatherings.push_back(gatherings_.size());
    gatherings_.push_back(std::move(gathering));
  }
}

void Runner::Engine::check_drift(const Claim& claim) {
  if (!options_.drift_refuse || claim.previous_status.empty()) return;
  std::string fields;
  for (std::size_t i = 0; i < states_.size(); ++i) {
    if (claim.stages[i].fingerprint.empty()) continue;
    const auto before = nlohmann::json::parse(claim.stages[i].fingerprint, nullptr, false);
    const auto now = nlohmann::json::parse(states_[i]->stage->identity(), nullptr, false);
    for (const auto& [field, value] : now.items()) {
      if (before.contains(field) && before[field] == value) continue;
      fields += (fields.empty() ? "" : ", ") + states_[i]->stage->name() + "." + field;
    }
  }
  if (fields.empty()) return;
  throw ConfigurationError("pipeline '" + pipeline_.name() + "' has changed since its last run in " +
                           store_->location() + ": " + fields +
                           "; run with drift=\"rerun\" to execute what that touches");
}

void Runner::Engine::adopt(const Claim& claim) {
  const auto reader = store_->reader();
  for (std::size_t i = 0; i < states_.size(); ++i) {
    StageState& state = *states_[i];
    state.table = claim.stages[i];
    if (state.stage->form() == Form::kFlatMap) state.next_item = reader->last_item(state.table.makes) + 1;
    if (state.stage->form() == Form::kFlatMap || state.table.makes == 0) continue;
    state.index = std::make_unique<ItemIndex>();
    state.index->set_next(reader->last_item(state.table.makes) + 1);
    reader->items(state.table.makes, std::nullopt,
                  [&](const ItemRow& row) { state.index->load(row.key, row.id); });
  }
}

void Runner::Engine::start() {
  plan_stages();
  RunSpec spec;
  spec.pipeline = pipeline_.name();
  spec.version = pipeline_.version();
  spec.params = options_.params;
  spec.config = options_.config;
  spec.seed = options_.seed;
  spec.resume = options_.resume;
  plan_spaces(spec);
  spec.check = [this](const Claim& claim) { check_drift(claim); };
  const Claim claim = store_->begin_run(spec);
  info.id = claim.id;
  info.number = claim.number;
  resumed = claim.resumed;
  try {
    adopt(claim);
    plan_gatherings();
  } catch (const std::exception& error) {
    store_->end_run("failed", error.what());
    throw;
  }
  started_ns_ = steady_ns();
  log_start();
  {
    const std::lock_guard lock(mutex_);
    status_ = RunStatus::kRunning;
    settle();
    for (int i = 0; i < 2; ++i) spawn();
  }
  monitor_ = std::thread([self = shared_from_this()] { self->monitor(); });
}

}  // namespace headrace
