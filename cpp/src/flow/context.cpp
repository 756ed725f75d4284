#include "headrace/flow/context.h"

#include <nlohmann/json.hpp>

namespace headrace {

struct Context::Entry {
  std::string name;
  nlohmann::json value;
  std::shared_ptr<const Entry> before;
};

Context::Context(const RunInfo& run, std::string key, int attempt)
    : run_(&run), key_(std::move(key)), attempt_(attempt) {}

nlohmann::json Context::params() const {
  return nlohmann::json::parse(run_->params);
}

Context Context::with(std::string name, nlohmann::json value) const {
  Context next = *this;
  next.last_ = std::make_shared<const Entry>(Entry{std::move(name), std::move(value), last_});
  return next;
}

const nlohmann::json* Context::find(const std::string& name) const noexcept {
  for (const Entry* at = last_.get(); at; at = at->before.get()) {
    if (at->name == name) return &at->value;
  }
  return nullptr;
}

nlohmann::json Context::since(const Context& base) const {
  nlohmann::json object = nlohmann::json::object();
  for (const Entry* at = last_.get(); at && at != base.last_.get(); at = at->before.get()) {
    if (!object.contains(at->name)) object[at->name] = at->value;
  }
  return object;
}

}  // namespace headrace
