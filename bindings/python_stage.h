#pragma once

#include "codec.h"
#include "gil.h"
#include "headrace/flow/stage.h"

/// The unit that a Python callable is working on, as its context sees it. A context that outlives its unit
/// keeps its own view.
struct UnitView {
  std::shared_ptr<headrace::Item> item;
  headrace::Value previous;
  headrace::CancelToken cancel;
  int attempt = 1;
  bool reconcile = false;
};

/// A stage whose work is a Python callable: one GIL acquisition a slice, one context reused over its units.
/// `glue` is headrace._internal.glue.StageGlue: what is easier in Python (contexts, errors, keys, sources).
class PythonStage final : public headrace::Stage {
 public:
  PythonStage(std::string name, headrace::Form form, py::object function, py::object glue,
              std::string identity);

  std::string identity() const override { return identity_; }
  void run(const headrace::RunInfo& run, headrace::Slice& slice) override;
  std::unique_ptr<headrace::SourceStream> open(const headrace::RunInfo& run) override;
  std::vector<headrace::Emitted> split(const headrace::RunInfo& run, const headrace::Value& value) override;
  bool still_valid(const headrace::RunInfo& run, const headrace::Checkpoint& recorded) override;

  /// True: the callable takes all contexts and values of a slice, and answers a list of (ok, value or error).
  bool whole_slices = false;

 private:
  pybind11::object ask(const pybind11::object& function, const pybind11::object& ctx,
                       const headrace::Unit& unit, bool removal);
  void run_units(const headrace::RunInfo& run, headrace::Slice& slice);
  void run_slices(const headrace::RunInfo& run, headrace::Slice& slice);
  void run_batches(const headrace::RunInfo& run, headrace::Slice& slice);
  void run_batch(const headrace::RunInfo& run, headrace::Slice& slice, std::size_t from, std::size_t to);
  py::object input(const headrace::Unit& unit) const;
  void finish(headrace::Slice& slice, std::size_t index, PyObject* answer, Codec::Buffer& buffer,
              std::vector<std::size_t>& done) const;
  headrace::Fault fault(py::error_already_set& error) const;
  py::object context(const headrace::RunInfo& run, const headrace::Unit& unit,
                     std::shared_ptr<UnitView>& view) const;

  std::shared_ptr<void> function_;
  std::shared_ptr<void> glue_;
  std::shared_ptr<Codec> codec_;
  std::string identity_;
};

/// One emitted item out of the tuple (key JSON, version or None, value, loader or None) that the glue gives.
headrace::Emitted emitted(py::handle tuple, const Codec& codec);
