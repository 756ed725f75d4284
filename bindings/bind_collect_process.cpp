#include "collect_convert.h"
#include "headrace/collect/process.h"
#include "headrace/flow/collect_stage.h"

namespace {

using namespace headrace::collect;

ProcessOptions make_options(const LimitsTuple& limits, std::optional<std::string> input,
                            std::optional<Environment> env, std::string cwd, double grace) {
  ProcessOptions options;
  set_limits(options, limits);
  options.input = std::move(input);
  options.env = std::move(env);
  options.cwd = std::move(cwd);
  options.grace = grace;
  return options;
}

StreamHandle processes(std::vector<Command> commands, ProcessOptions options, int64_t capacity) {
  return StreamHandle(ProcessCollector(std::move(options)).stream(std::move(commands), capacity));
}

std::shared_ptr<headrace::Stage> stage(std::string name, std::string identity, Command command,
                                       ProcessOptions options) {
  return headrace::process_stage(std::move(name), std::move(identity), std::move(options),
                                 std::move(command));
}

}  // namespace

void bind_collect_process(py::module_& m) {
  py::class_<ProcessOptions>(m, "ProcessOptions", "How commands are run. Shows nothing.")
      .def(py::init(&make_options), py::kw_only(), py::arg("limits"), py::arg("input"), py::arg("env"),
           py::arg("cwd"), py::arg("grace"));
  m.def("collect_processes", &processes, py::arg("commands"), py::arg("options"), py::arg("capacity"),
        "Run commands; words as bytes.");
  m.def("process_stage", &stage, py::arg("name"), py::arg("identity"), py::arg("command"), py::arg("options"),
        "A stage that runs a command for each item.");
}
