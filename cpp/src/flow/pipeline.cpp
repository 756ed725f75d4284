#include "headrace/flow/pipeline.h"

#include <algorithm>

#include "headrace/flow/graph.h"

namespace headrace {

const char* form_name(Form form) noexcept {
  switch (form) {
    case Form::kStep:
      return "step";
    case Form::kSource:
      return "source";
    case Form::kMap:
      return "map";
    case Form::kFlatMap:
      return "flat_map";
    case Form::kBatch:
      return "batch";
    case Form::kGroup:
      return "group";
  }
  return "step";
}

double RetryPolicy::delay_before(int attempt, double draw) const noexcept {
  double wait = delay;
  for (int i = 2; i < attempt; ++i) wait *= multiplier;
  return std::min(wait, max_delay) * (1 + jitter * draw);
}

std::unique_ptr<SourceStream> Stage::open(const RunInfo&) {
  throw WorkflowValidationError("stage '" + name_ + "' is not a source");
}
std::vector<Emitted> Stage::split(const RunInfo&, const Value&) {
  throw WorkflowValidationError("stage '" + name_ + "' does not make items: nothing can map over it");
}
bool Stage::still_valid(const RunInfo&, const Checkpoint&) {
  return true;
}

std::vector<std::string> dependencies(const Stage& stage) {
  std::vector<std::string> names = stage.after;
  if (!stage.over.empty()) names.push_back(stage.over);
  if (!stage.by.empty()) names.push_back(stage.by);
  return names;
}

Pipeline::Pipeline(std::string name, std::string version)
    : name_(std::move(name)), version_(std::move(version)) {
  if (name_.empty()) throw WorkflowValidationError("a pipeline needs a name");
}

int Pipeline::find(const std::string& name) const noexcept {
  for (std::size_t i = 0; i < stages_.size(); ++i) {
    if (stages_[i]->name() == name) return static_cast<int>(i);
  }
  return -1;
}

Stage& Pipeline::add(std::shared_ptr<Stage> stage) {
  if (stage->name().empty()) throw WorkflowValidationError("a stage of pipeline '" + name_ + "' has no name");
  const int known = find(stage->name());
  if (known < 0) return *stages_.emplace_back(std::move(stage));
  return *(stages_[static_cast<std::size_t>(known)] = std::move(stage));
}

namespace {

bool needs_over(Form form) {
  return form != Form::kStep && form != Form::kSource;
}

void check_names(const Pipeline& pipeline, const Stage& stage) {
  const std::string who = std::string(form_name(stage.form())) + " '" + stage.name() + "'";
  for (const std::string& name : dependencies(stage)) {
    if (name == stage.name()) throw WorkflowValidationError(who + " depends on itself");
    if (pipeline.find(name) < 0) {
      throw WorkflowValidationError(who + " depends on '" + name + "', which pipeline '" + pipeline.name() +
                                    "' does not have");
    }
  }
  if (needs_over(stage.form()) && stage.over.empty()) throw WorkflowValidationError(who + " needs over=");
  if (stage.form() == Form::kGroup && stage.by.empty()) throw WorkflowValidationError(who + " needs by=");
  if (stage.form() == Form::kBatch && stage.policy.size < 1) {
    throw WorkflowValidationError(who + ": size must be at least 1");
  }
}

const Stage& named(const Pipeline& pipeline, const std::string& name) {
  return *pipeline.stages()[static_cast<std::size_t>(pipeline.find(name))];
}

/// The stage that makes the keys of what `stage` gives on.
const Stage& maker(const Pipeline& pipeline, const Stage& stage) {
  const Stage* found = &stage;
  while (true) {
    switch (found->form()) {
      case Form::kMap:
      case Form::kBatch:
        found = &named(pipeline, found->over);
        break;
      case Form::kGroup:
        found = &named(pipeline, found->by);
        break;
      default:
        return *found;
    }
  }
}

/// The parts of a group come, stage by stage, out of the items it is grouped by.
void check_group(const Pipeline& pipeline, const Stage& stage) {
  if (stage.form() != Form::kGroup) return;
  const Stage& parents = maker(pipeline, named(pipeline, stage.by));
  const Stage* at = &named(pipeline, stage.over);
  bool inside = false;
  while (at != &parents && !at->over.empty()) {
    at = &named(pipeline, at->over);
    inside = true;
  }
  if (at == &parents && inside) return;
  throw WorkflowValidationError("group '" + stage.name() + "': the items of '" + stage.over +
                                "' are not made out of those of '" + stage.by + "'");
}

}  // namespace

void Pipeline::validate() const {
  if (stages_.empty()) throw WorkflowValidationError("pipeline '" + name_ + "' has no stages");
  for (const auto& stage : stages_) check_names(*this, *stage);
  ordered();
  for (const auto& stage : stages_) check_group(*this, *stage);
}

std::vector<std::shared_ptr<Stage>> Pipeline::ordered() const {
  Graph graph;
  for (std::size_t i = 0; i < stages_.size(); ++i) graph.add({});
  for (std::size_t i = 0; i < stages_.size(); ++i) {
    for (const std::string& name : dependencies(*stages_[i])) {
      const int before = find(name);
      if (before >= 0) graph.edge(static_cast<Graph::Node>(before), static_cast<Graph::Node>(i));
    }
  }
  std::vector<std::shared_ptr<Stage>> sorted;
  std::vector<bool> placed(stages_.size(), false);
  for (const Graph::Node node : graph.order()) {
    sorted.push_back(stages_[node]);
    placed[node] = true;
  }
  std::string cycle;
  for (std::size_t i = 0; i < stages_.size(); ++i) {
    if (!placed[i]) cycle += (cycle.empty() ? "'" : ", '") + stages_[i]->name() + "'";
  }
  if (!cycle.empty()) throw WorkflowValidationError("pipeline '" + name_ + "' has a cycle through " + cycle);
  return sorted;
}

}  // namespace headrace
