#include "headrace/base/log.h"

#include <spdlog/logger.h>

#include <cstdio>

#include "engine.h"

// What a run tells its log. Everything here may be called with the engine's lock held: a logger must not wait
// for it.
namespace headrace {

namespace {

std::string item_text(const Unit& unit) {
  return unit.item ? ", item " + unit.item->key : "";
}

std::string one_line(std::string text) {
  for (char& c : text) {
    if (c == '\n' || c == '\r') c = ' ';
  }
  return text;
}

std::string seconds_of(double seconds) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3f s", seconds);
  return text;
}

spdlog::level::level_enum level_of(RunStatus status) {
  if (status == RunStatus::kFailed) return spdlog::level::err;
  if (status == RunStatus::kPartial || status == RunStatus::kCancelled) return spdlog::level::warn;
  return spdlog::level::info;
}

}  // namespace

void Runner::Engine::say(int level, const std::string& text) const {
  const auto severity = static_cast<spdlog::level::level_enum>(level);
  if (options_.log) options_.log->log(severity, pipeline_.name() + " " + info.id + ": " + one_line(text));
}

void Runner::Engine::log_start() const {
  if (options_.log) say(spdlog::level::info, resumed ? "resumed" : "started");
}

void Runner::Engine::log_retry(int stage, const Unit& unit, const Fault& fault, double delay) const {
  if (!options_.log) return;
  const std::string& name = states_[static_cast<std::size_t>(stage)]->stage->name();
  say(spdlog::level::warn, "stage '" + name + "'" + item_text(unit) + ": " + fault.error_type + ": " +
                               fault.message + "; attempt " + std::to_string(unit.attempt) + " in " +
                               seconds_of(delay));
}

void Runner::Engine::log_fault(int stage, const Unit& unit, const Fault& fault) const {
  if (!options_.log) return;
  const std::string& name = states_[static_cast<std::size_t>(stage)]->stage->name();
  say(spdlog::level::err,
      "stage '" + name + "'" + item_text(unit) + ": " + fault.error_type + ": " + fault.message);
}

void Runner::Engine::log_stage(int stage) const {
  if (!options_.log) return;
  const StageState& state = *states_[static_cast<std::size_t>(stage)];
  say(level_of(state.status), "stage '" + state.stage->name() + "' " + status_name(state.status) + ": " +
                                  std::to_string(state.executed) + " executed, " +
                                  std::to_string(state.skipped) + " skipped, " +
                                  std::to_string(state.failed) + " failed in " + seconds_of(state.seconds));
}

void Runner::Engine::log_end(RunStatus status) const {
  if (!options_.log) return;
  const std::string why = message_.empty() ? "" : ": " + message_;
  say(level_of(status), std::string(status_name(status)) + why);
}

}  // namespace headrace
