#pragma once

#include <stdexcept>
#include <string>

namespace headrace {

/// What kind of fault an error is: decides whether a retry can help, and groups failures in reports.
enum class Category { kTransient, kPermanent, kResource, kConfiguration, kCode };

/// Name of a category as it is stored and shown: "transient", "permanent", ...
const char* category_name(Category category) noexcept;

/// Root of the tree. The same names exist in Python (headrace.errors), where the binding raises them.
/// A message is one line that names what is wrong and how to mend it.
class Error : public std::runtime_error {
 public:
  explicit Error(const std::string& message) : std::runtime_error(message) {}
};

class PipelineError : public Error {
 public:
  using Error::Error;
};

/// A stage's own code failed on one unit.
class StageError : public PipelineError {
 public:
  StageError(std::string stage, std::string key, const std::string& message)
      : PipelineError("stage '" + stage + "', item " + key + ": " + message),
        stage_(std::move(stage)),
        key_(std::move(key)) {}
  const std::string& stage() const noexcept { return stage_; }
  const std::string& key() const noexcept { return key_; }

 private:
  std::string stage_;
  std::string key_;
};

class TimeoutError : public PipelineError {
 public:
  using PipelineError::PipelineError;
};
class ConfigurationError : public PipelineError {
 public:
  using PipelineError::PipelineError;
};
/// The pipeline itself is wrong: a cycle, an unknown name, a name used twice.
class WorkflowValidationError : public PipelineError {
 public:
  using PipelineError::PipelineError;
};
class CheckpointCorruptionError : public PipelineError {
 public:
  using PipelineError::PipelineError;
};
/// What is recorded and what the outside world says don't agree.
class StateInconsistencyError : public PipelineError {
 public:
  using PipelineError::PipelineError;
};
class GuardError : public PipelineError {
 public:
  using PipelineError::PipelineError;
};
class EmbeddingError : public PipelineError {
 public:
  using PipelineError::PipelineError;
};
/// The store can't be read or written: disk full, read-only, locked, of a newer version, not one of ours.
class StorageError : public PipelineError {
 public:
  using PipelineError::PipelineError;
};
class RunActiveError : public PipelineError {
 public:
  using PipelineError::PipelineError;
};
class ResourceError : public PipelineError {
 public:
  using PipelineError::PipelineError;
};
class CancelledError : public PipelineError {
 public:
  using PipelineError::PipelineError;
};

}  // namespace headrace
