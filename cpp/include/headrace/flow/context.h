#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "headrace/flow/slice.h"

namespace headrace {

/// What a native stage may see: the run, the unit's key, and named values. Immutable: `with` answers a new
/// context that shares all that came before, in O(1) whatever its size. Cheap to copy; safe to share between
/// threads.
class Context {
 public:
  Context(const RunInfo& run, std::string key, int attempt = 1);

  const RunInfo& run() const noexcept { return *run_; }
  /// JSON key of the item; empty in a step and a batch.
  const std::string& key() const noexcept { return key_; }
  int attempt() const noexcept { return attempt_; }
  bool cancelled() const noexcept { return run_->cancel.cancelled(); }
  /// The run's parameters.
  nlohmann::json params() const;

  Context with(std::string name, nlohmann::json value) const;
  /// The newest value of that name; null where there is none.
  const nlohmann::json* find(const std::string& name) const noexcept;
  /// All named values that were added since `base`, as one JSON object: what a step's checkpoint keeps.
  nlohmann::json since(const Context& base) const;

 private:
  struct Entry;
  const RunInfo* run_;
  std::string key_;
  int attempt_;
  std::shared_ptr<const Entry> last_;
};

}  // namespace headrace
