#include "headrace/flow/collect_stage.h"

#include <algorithm>
#include <cctype>
#include <chrono>
#include <optional>
#include <utility>

#include "outcome_value.h"
#include "unit_value.h"

namespace headrace {

namespace {

using nlohmann::json;

std::string word_of(const json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number() || value.is_boolean()) return value.dump();
  throw ConfigurationError("its value has no text for the command: a string or a number is wanted");
}

bool is_name(const std::string& text) {
  const auto fits = [](unsigned char c) { return std::isalnum(c) != 0 || c == '_'; };
  return !text.empty() && std::all_of(text.begin(), text.end(), fits);
}

/// What "{name}" stands for; nothing where it means itself. A mapping without that field is an error: a
/// command must not run with a hole in it.
std::optional<std::string> meaning(const std::string& name, const json& value) {
  const json* part = name.empty() ? &value : native::find_field(value, name);
  if (part != nullptr) return word_of(*part);
  if (!value.is_object() || !is_name(name)) return std::nullopt;
  throw ConfigurationError("its value has no field '" + name + "' for the command's '{" + name +
                           "}' (braces that mean themselves are doubled: '{{" + name + "}}')");
}

/// Fills the places of one word of a command: "{}" and "{name}"; "{{name}}" is "{name}".
std::string filled(const std::string& word, const json& value) {
  std::string text;
  std::size_t at = 0;
  while (true) {
    const std::size_t open = word.find('{', at);
    const std::size_t close = open == std::string::npos ? open : word.find('}', open);
    if (close == std::string::npos) return text + word.substr(at);
    text += word.substr(at, open - at);
    const std::string name = word.substr(open + 1, close - open - 1);
    const std::string place = word.substr(open, close - open + 1);
    at = close + 1;
    if (name.starts_with('{') && is_name(name.substr(1)) && word.compare(at, 1, "}") == 0) {
      text += place.substr(1);
      ++at;
    } else {
      text += meaning(name, value).value_or(place);
    }
  }
}

collect::Command command_of(const collect::Command& pattern, const json& value) {
  collect::Command command;
  for (const std::string& word : pattern) command.push_back(filled(word, value));
  if (!pattern.empty()) return command;
  const json* list = &value;
  if (value.is_object() && value.size() == 1 && value.contains("$tuple")) list = &value["$tuple"];
  if (!list->is_array() || list->empty())
    throw ConfigurationError("its value is not a command: give a list of strings, or the stage a command=");
  for (const json& word : *list) command.push_back(word_of(word));
  return command;
}

std::string host_of(const json& value) {
  std::string host = native::text_of(value, "host", "a host");
  const json* port = native::find_field(value, "port");
  if (port == nullptr || !port->is_number_integer()) return host;
  if (host.find(':') != std::string::npos && host[0] != '[') host = "[" + host + "]";
  return host + ":" + port->dump();
}

template <typename Options>
Options limited(Options options, double timeout) {
  options.retry = {};
  if (timeout > 0) options.timeout = timeout;
  return options;
}

}  // namespace

CollectStage::CollectStage(std::string name, std::string identity, MakeAsk make, std::int64_t workers)
    : Stage(std::move(name), Form::kMap),
      identity_(std::move(identity)),
      make_(std::move(make)),
      ask_(make_(0)) {
  policy.workers = static_cast<int>(workers);
  policy.alone = true;
}

bool CollectStage::keeps_timeout(double seconds) {
  ask_ = make_(seconds);
  return true;
}

void CollectStage::run(const RunInfo& run, Slice& slice) {
  for (std::size_t i = 0; i < slice.units.size(); ++i) {
    UnitResult& result = slice.results[i];
    const auto began = std::chrono::steady_clock::now();
    try {
      const json value = native::parse_value(slice.units[i].value);
      const collect::Outcome outcome = ask_(value, run.cancel);
      if (outcome.ok) {
        result.value = native::outcome_value(outcome, value);
      } else {
        result.fault = native::outcome_fault(outcome);
      }
    } catch (const ConfigurationError& error) {
      result.fault = native::configuration_fault(error.what());
    }
    const auto spent = std::chrono::steady_clock::now() - began;
    result.micros = std::chrono::duration_cast<std::chrono::microseconds>(spent).count();
  }
}

std::shared_ptr<CollectStage> ssh_stage(std::string name, std::string identity, collect::SshOptions options,
                                        std::vector<std::string> commands) {
  const std::int64_t workers = options.workers;
  auto make = [options = std::move(options), commands = std::move(commands)](double timeout) {
    return [collector = collect::SshCollector(limited(options, timeout)), commands](
               const json& value, const CancelToken& cancel) {
      return collector.run(host_of(value), commands, cancel);
    };
  };
  return std::make_shared<CollectStage>(std::move(name), std::move(identity), std::move(make), workers);
}

std::shared_ptr<CollectStage> process_stage(std::string name, std::string identity,
                                            collect::ProcessOptions options, collect::Command command) {
  const std::int64_t workers = options.workers;
  auto make = [options = std::move(options), command = std::move(command)](double timeout) {
    return [collector = collect::ProcessCollector(limited(options, timeout)), command](
               const json& value, const CancelToken& cancel) {
      return collector.run(command_of(command, value), cancel);
    };
  };
  return std::make_shared<CollectStage>(std::move(name), std::move(identity), std::move(make), workers);
}

std::shared_ptr<CollectStage> http_stage(std::string name, std::string identity,
                                         collect::HttpOptions options) {
  const std::int64_t workers = options.workers;
  auto make = [options = std::move(options)](double timeout) {
    return [collector = collect::HttpCollector(limited(options, timeout))](const json& value,
                                                                           const CancelToken& cancel) {
      return collector.run(native::text_of(value, "url", "a URL"), cancel);
    };
  };
  return std::make_shared<CollectStage>(std::move(name), std::move(identity), std::move(make), workers);
}

}  // namespace headrace
