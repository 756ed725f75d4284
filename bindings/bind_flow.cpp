#include <chrono>
#include <thread>

#include "headrace/flow/runner.h"
#include "python_stage.h"

using namespace headrace;

namespace {

void bind_unit_view(py::module_& m) {
  py::class_<UnitView, std::shared_ptr<UnitView>>(m, "UnitView", "The unit a callable works on.")
      .def_property_readonly("key",
                             [](const UnitView& view) {
                               return view.item ? py::object(py::str(view.item->key))
                                                : py::object(py::none());
                             })
      .def_property_readonly("previous",
                             [](const UnitView& view) -> py::object {
                               const std::string_view bytes = view.previous.bytes();
                               if (view.previous.empty()) return py::none();
                               return view.previous.text()
                                          ? py::object(py::str(bytes.data(), bytes.size()))
                                          : py::object(py::bytes(bytes.data(), bytes.size()));
                             })
      .def_property_readonly("cancelled", [](const UnitView& view) { return view.cancel.cancelled(); })
      .def_readonly("attempt", &UnitView::attempt)
      .def_readonly("reconcile", &UnitView::reconcile);
}

/// Nanoseconds a unit of calling a stage's function over slices of nulls on a worker's thread: for the
/// benchmark.
double time_slices(PythonStage& stage, int count) {
  const py::gil_scoped_release release;
  double nanoseconds = 0;
  std::thread worker([&] {
    const RunInfo run;
    Slice slice;
    slice.units.resize(64);
    for (Unit& unit : slice.units) unit.value = Value::json("null");
    const auto began = std::chrono::steady_clock::now();
    for (int done = 0; done < count; done += 64) {
      slice.results.assign(64, {});
      stage.run(run, slice);
    }
    nanoseconds =
        std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - began).count() / count;
  });
  worker.join();
  return nanoseconds;
}

void bind_stages(py::module_& m) {
  py::enum_<Form>(m, "Form")
      .value("step", Form::kStep)
      .value("source", Form::kSource)
      .value("map", Form::kMap)
      .value("flat_map", Form::kFlatMap)
      .value("batch", Form::kBatch)
      .value("group", Form::kGroup);
  py::enum_<Trigger>(m, "Trigger")
      .value("on_success", Trigger::kOnSuccess)
      .value("on_failure", Trigger::kOnFailure)
      .value("always", Trigger::kAlways);
  py::enum_<OnError>(m, "OnError").value("collect", OnError::kCollect).value("stop", OnError::kStop);
  py::class_<RetryPolicy>(m, "RetryPolicy")
      .def_readwrite("attempts", &RetryPolicy::attempts)
      .def_readwrite("delay", &RetryPolicy::delay)
      .def_readwrite("multiplier", &RetryPolicy::multiplier)
      .def_readwrite("jitter", &RetryPolicy::jitter)
      .def_readwrite("max_delay", &RetryPolicy::max_delay)
      .def_readwrite("timeouts", &RetryPolicy::timeouts);
  py::class_<StagePolicy>(m, "StagePolicy")
      .def_readwrite("retry", &StagePolicy::retry)
      .def_readwrite("timeout", &StagePolicy::timeout)
      .def_readwrite("trigger", &StagePolicy::trigger)
      .def_readwrite("on_error", &StagePolicy::on_error)
      .def_readwrite("workers", &StagePolicy::workers)
      .def_readwrite("size", &StagePolicy::size)
      .def_readwrite("effect", &StagePolicy::effect)
      .def_readwrite("reconciles", &StagePolicy::reconciles)
      .def_readwrite("removes", &StagePolicy::removes)
      .def_readwrite("guarded", &StagePolicy::guarded)
      .def_readwrite("serial", &StagePolicy::serial);
  py::class_<Stage, std::shared_ptr<Stage>>(m, "Stage", "A named unit of work with its place and its policy.")
      .def_property_readonly("name", &Stage::name)
      .def_property_readonly("form", &Stage::form)
      .def_property_readonly("identity", &Stage::identity)
      .def_readwrite("over", &Stage::over)
      .def_readwrite("by", &Stage::by)
      .def_readwrite("after", &Stage::after)
      .def_readwrite("policy", &Stage::policy)
      .def("keeps_timeout", &Stage::keeps_timeout, py::arg("seconds"),
           "Whether it ends its units itself after so many seconds.");
  py::class_<PythonStage, Stage, std::shared_ptr<PythonStage>>(m, "PythonStage",
                                                               "A stage whose work is a callable.")
      .def(py::init<std::string, Form, py::object, py::object, std::string>(), py::arg("name"),
           py::arg("form"), py::arg("function"), py::arg("glue"), py::arg("identity"))
      .def("time_slices", &time_slices, py::arg("count"), "Nanoseconds a unit of calling it from a worker.")
      .def_readwrite("whole_slices", &PythonStage::whole_slices);
}

void bind_reports(py::module_& m) {
  py::enum_<RunStatus>(m, "RunStatus")
      .value("pending", RunStatus::kPending)
      .value("running", RunStatus::kRunning)
      .value("succeeded", RunStatus::kSucceeded)
      .value("failed", RunStatus::kFailed)
      .value("cancelled", RunStatus::kCancelled)
      .value("partial", RunStatus::kPartial)
      .value("skipped", RunStatus::kSkipped);
  py::enum_<StageMode>(m, "StageMode")
      .value("run", StageMode::kRun)
      .value("replay", StageMode::kReplay)
      .value("off", StageMode::kOff);
  py::class_<StageReport>(m, "StageReport")
      .def_readonly("name", &StageReport::name)
      .def_readonly("form", &StageReport::form)
      .def_readonly("status", &StageReport::status)
      .def_readonly("total", &StageReport::total)
      .def_readonly("executed", &StageReport::executed)
      .def_readonly("skipped", &StageReport::skipped)
      .def_readonly("failed", &StageReport::failed)
      .def_readonly("retries", &StageReport::retries)
      .def_readonly("seconds", &StageReport::seconds)
      .def_readonly("mean_micros", &StageReport::mean_micros)
      .def_readonly("p50_micros", &StageReport::p50_micros)
      .def_readonly("p95_micros", &StageReport::p95_micros)
      .def_readonly("p99_micros", &StageReport::p99_micros)
      .def_readonly("total_known", &StageReport::total_known);
  py::class_<Progress>(m, "Progress")
      .def_readonly("status", &Progress::status)
      .def_readonly("elapsed", &Progress::elapsed)
      .def_readonly("warnings", &Progress::warnings)
      .def_readonly("stages", &Progress::stages);
}

py::list failures(const Runner& runner) {
  std::vector<Failure> found;
  {
    const py::gil_scoped_release release;
    found = runner.failures();
  }
  py::list list;
  for (const Failure& failure : found) {
    list.append(py::make_tuple(failure.stage, failure.key, failure.fault.error_type, failure.fault.message,
                               failure.attempts, category_name(failure.fault.category)));
  }
  return list;
}

void bind_runner(py::module_& m) {
  using release = py::call_guard<py::gil_scoped_release>;
  py::class_<Pipeline>(m, "Pipeline", "A named DAG of stages; validated before it runs.")
      .def(py::init<std::string, std::string>(), py::arg("name"), py::arg("version") = "1")
      .def(
          "add", [](Pipeline& pipeline, std::shared_ptr<Stage> stage) { pipeline.add(std::move(stage)); },
          py::arg("stage"))
      .def("validate", &Pipeline::validate)
      .def("ordered", [](const Pipeline& pipeline) {
        std::vector<std::string> names;
        for (const auto& stage : pipeline.ordered()) names.push_back(stage->name());
        return names;
      });
  py::class_<headrace::LogLines, std::shared_ptr<headrace::LogLines>>(m, "LogLines",
                                                                      "Log lines until they are taken.")
      .def(py::init<>())
      .def(
          "take",
          [](headrace::LogLines& self) {
            std::vector<std::pair<int, std::string>> taken;
            for (headrace::LogLine& line : self.take()) taken.emplace_back(line.level, std::move(line.text));
            return taken;
          },
          "Tuples (level, text), oldest first; level: 2 info, 3 warning, 4 error.");
  py::class_<RunOptions>(m, "RunOptions")
      .def(py::init<>())
      .def_readwrite("params", &RunOptions::params)
      .def_readwrite("config", &RunOptions::config)
      .def_readwrite("seed", &RunOptions::seed)
      .def_readwrite("resume", &RunOptions::resume)
      .def_readwrite("skip_existing", &RunOptions::skip_existing)
      .def_readwrite("drift_refuse", &RunOptions::drift_refuse)
      .def_readwrite("threads", &RunOptions::threads)
      .def_readwrite("max_seconds", &RunOptions::max_seconds)
      .def_readwrite("max_memory", &RunOptions::max_memory)
      .def_readwrite("modes", &RunOptions::modes)
      .def_readwrite("only_keys", &RunOptions::only_keys)
      .def(
          "log_to",
          [](RunOptions& self, const std::shared_ptr<headrace::LogLines>& lines) {
            self.log = headrace::LogLines::log(lines);
          },
          py::arg("lines"), "Lines of what happens go there.");
  py::class_<Runner, std::shared_ptr<Runner>>(m, "Runner", "Executes one run of a pipeline.")
      .def(
          py::init([](const Pipeline& pipeline, std::shared_ptr<RunStore> store, RunOptions options) {
            return held_without_gil(std::make_shared<Runner>(pipeline, std::move(store), std::move(options)));
          }),
          py::arg("pipeline"), py::arg("store"), py::arg("options"))
      .def("start", &Runner::start, release())
      .def("wait", &Runner::wait, py::arg("seconds") = -1.0, release(), "True when the run has ended.")
      .def("join", &Runner::join, release(), "Waits for the end, and until its threads are gone.")
      .def("cancel", &Runner::cancel, py::arg("reason"), release())
      .def("abandon", &Runner::abandon, release())
      .def_property_readonly("id", [](const Runner& runner) { return runner.info().id; })
      .def_property_readonly("number", [](const Runner& runner) { return runner.info().number; })
      .def_property_readonly("resumed", &Runner::resumed)
      .def("progress", &Runner::progress, release())
      .def("status", &Runner::status, release())
      .def("message", &Runner::message, release())
      .def("failures", &failures, "Tuples (stage, key JSON, error type, message, attempts, category).")
      .def("warn", &Runner::warn, py::arg("stage"), py::arg("key"), py::arg("text"), release())
      .def(
          "check",
          [](const Runner& runner) {
            if (const auto error = runner.error()) std::rethrow_exception(error);
          },
          release(), "Raises what stopped the run, where that wasn't a unit's own fault.");
}

}  // namespace

void bind_flow(py::module_& m) {
  bind_unit_view(m);
  bind_stages(m);
  bind_reports(m);
  bind_runner(m);
}
