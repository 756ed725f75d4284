#pragma once

#include <memory>
#include <string>
#include <vector>

#include "headrace/flow/stage.h"

namespace headrace {

/// A named DAG of stages. Built by one thread, then only read; validated before it runs.
class Pipeline {
 public:
  explicit Pipeline(std::string name, std::string version = "1");

  const std::string& name() const noexcept { return name_; }
  const std::string& version() const noexcept { return version_; }

  /// Adds a stage; one of the same name is replaced (a notebook cell that runs again).
  Stage& add(std::shared_ptr<Stage> stage);

  /// Throws WorkflowValidationError: an unknown name, a cycle, a form where it can't be.
  void validate() const;

  /// Stages so that each comes after all it depends on; ties in the order they were added.
  std::vector<std::shared_ptr<Stage>> ordered() const;

  const std::vector<std::shared_ptr<Stage>>& stages() const noexcept { return stages_; }
  /// Position of a name in stages(); -1: unknown.
  int find(const std::string& name) const noexcept;

 private:
  std::string name_;
  std::string version_;
  std::vector<std::shared_ptr<Stage>> stages_;
};

/// Names of all stages a stage depends on directly: over, by and after.
std::vector<std::string> dependencies(const Stage& stage);

}  // namespace headrace
