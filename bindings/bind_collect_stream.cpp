#include "collect_convert.h"

namespace {

using namespace headrace::collect;

// Text from outside, which may be in any encoding.
py::str text(std::string_view bytes) {
  return py::reinterpret_steal<py::str>(
      PyUnicode_DecodeUTF8(bytes.data(), static_cast<Py_ssize_t>(bytes.size()), "replace"));
}

py::tuple to_python(const CommandOutput& output) {
  return py::make_tuple(text(output.command), py::bytes(output.std_out), py::bytes(output.std_err),
                        output.exit_code);
}

py::list to_python(const std::vector<std::pair<std::string, std::string>>& headers) {
  py::list pairs;
  for (const auto& [name, value] : headers) pairs.append(py::make_tuple(text(name), text(value)));
  return pairs;
}

py::tuple to_python(const Outcome& outcome) {
  py::list commands;
  for (const CommandOutput& output : outcome.commands) commands.append(to_python(output));
  const py::object error_type =
      outcome.ok ? py::object(py::none()) : py::object(text(error_type_name(outcome.error_type)));
  return py::make_tuple(outcome.index, outcome.ok, py::bytes(outcome.std_out), py::bytes(outcome.std_err),
                        outcome.exit_code, error_type, text(outcome.message), outcome.seconds,
                        outcome.attempts, commands, to_python(outcome.headers));
}

py::list take(StreamHandle& self, double seconds, int64_t wanted) {
  std::vector<Outcome> outcomes;
  {
    const py::gil_scoped_release release;
    outcomes = self.stream->take(seconds, wanted);
  }
  py::list taken;
  for (Outcome& outcome : outcomes) {
    taken.append(to_python(outcome));
    outcome = Outcome();  // so that an answer is held twice only while it is copied
  }
  return taken;
}

}  // namespace

void bind_collect_stream(py::module_& m) {
  const auto free_gil = py::call_guard<py::gil_scoped_release>();
  py::class_<StreamHandle>(m, "OutcomeStream", "A collection in a thread of its own.")
      .def("take", &take, py::arg("seconds"), py::arg("wanted") = 1,
           "Finished outcomes as tuples, after waiting so long for as many as are wanted, or the last.")
      .def(
          "exhausted", [](const StreamHandle& self) { return self.stream->exhausted(); }, free_gil,
          "Nothing more will come.")
      .def(
          "cancel", [](StreamHandle& self) { self.stream->cancel(); }, free_gil,
          "The rest comes out as cancelled.")
      .def(
          "close", [](StreamHandle& self) { self.stream->close(); }, free_gil,
          "Cancel, and wait for the end.");
}
