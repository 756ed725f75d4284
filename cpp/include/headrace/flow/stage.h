#pragma once

#include <memory>
#include <string>
#include <vector>

#include "headrace/flow/policy.h"
#include "headrace/flow/slice.h"

namespace headrace {

/// Items out of a source, in slices. Called by one thread at a time.
class SourceStream {
 public:
  virtual ~SourceStream() = default;
  /// Appends at most `most` items; false: there are no more. Throws what the source's own code threw.
  virtual bool next(std::size_t most, std::vector<Emitted>& out) = 0;
};

/// A named unit of work with its place in the pipeline and its policy. Subclasses hold native code or a
/// callable; `run` is called by several workers at once, up to policy().workers.
class Stage {
 public:
  Stage(std::string name, Form form) : name_(std::move(name)), form_(form) {}
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;
  virtual ~Stage() = default;

  const std::string& name() const noexcept { return name_; }
  Form form() const noexcept { return form_; }

  std::string over;                ///< the stage whose items it takes; empty for steps and sources
  std::string by;                  ///< group: the stage whose items are the parents
  std::vector<std::string> after;  ///< stages that must have ended before it starts
  StagePolicy policy;

  /// JSON of what the identity of its units is made of beside their input: version, code, configuration.
  virtual std::string identity() const { return "{}"; }

  /// The policy's timeout, before the run: true where the stage ends its units itself after so many seconds,
  /// so that no thread need be abandoned.
  virtual bool keeps_timeout(double seconds);

  /// Fills slice.results, one a unit. A unit's own fault is a result; what it throws stops the run.
  virtual void run(const RunInfo& run, Slice& slice) = 0;
  /// Opens the items of a source. A step that others map over splits its value into items instead.
  virtual std::unique_ptr<SourceStream> open(const RunInfo& run);
  virtual std::vector<Emitted> split(const RunInfo& run, const Value& value);
  /// A step without dependencies: false where what it saw of the world may have changed since `recorded`.
  virtual bool still_valid(const RunInfo& run, const Checkpoint& recorded);

 private:
  std::string name_;
  Form form_;
};

}  // namespace headrace
