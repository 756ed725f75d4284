#include "collect_convert.h"
#include "headrace/collect/process.h"

namespace {

using namespace headrace::collect;

StreamHandle processes(std::vector<Command> commands, const LimitsTuple& limits, int64_t capacity,
                       std::optional<std::string> input, std::optional<Environment> env, std::string cwd,
                       double grace) {
  ProcessOptions options;
  set_limits(options, limits);
  options.input = std::move(input);
  options.env = std::move(env);
  options.cwd = std::move(cwd);
  options.grace = grace;
  return StreamHandle(ProcessCollector(std::move(options)).stream(std::move(commands), capacity));
}

}  // namespace

void bind_collect_process(py::module_& m) {
  m.def("collect_processes", &processes, py::arg("commands"), py::kw_only(), py::arg("limits"),
        py::arg("capacity"), py::arg("input"), py::arg("env"), py::arg("cwd"), py::arg("grace"),
        "Run commands; words as bytes.");
}
