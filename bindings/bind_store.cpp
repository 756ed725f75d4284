#include "gil.h"
#include "headrace/base/error.h"
#include "headrace/store/run_store.h"
#include "pybind.h"

using namespace headrace;

namespace {

/// Text as SQLite has it. CheckpointCorruptionError where it isn't UTF-8: headrace writes nothing else.
py::object to_text(std::string_view text, const std::string& what) {
  PyObject* made = PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), nullptr);
  if (made) return py::reinterpret_steal<py::object>(made);
  PyErr_Clear();
  throw CheckpointCorruptionError(
      what +
      " holds a text that is not UTF-8, so it was altered: `headrace verify` says "
      "what else was; restore the store from a copy");
}

py::object to_python(const Cell& cell, const std::string& column) {
  if (const auto* number = std::get_if<std::int64_t>(&cell)) return py::int_(*number);
  if (const auto* real = std::get_if<double>(&cell)) return py::float_(*real);
  if (const auto* text = std::get_if<std::string>(&cell))
    return to_text(*text, "the column '" + column + "'");
  if (const auto* blob = std::get_if<Bytes>(&cell)) return py::bytes(blob->data);
  return py::none();
}

Cell to_cell(py::handle value) {
  if (value.is_none()) return std::monostate{};
  if (py::isinstance<py::bytes>(value)) return Bytes{value.cast<std::string>()};
  if (py::isinstance<py::str>(value)) return value.cast<std::string>();
  if (py::isinstance<py::float_>(value)) return value.cast<double>();
  if (PyObject* index = PyIndex_Check(value.ptr()) ? PyNumber_Index(value.ptr()) : nullptr)
    return py::reinterpret_steal<py::int_>(index).cast<std::int64_t>();  // NumPy's integers too
  if (PyErr_Occurred() && !PyErr_ExceptionMatches(PyExc_TypeError)) throw py::error_already_set();
  PyErr_Clear();
  throw ConfigurationError("a query takes None, numbers, strings and bytes, not " +
                           std::string(py::str(py::type::of(value))));
}

std::vector<Cell> to_cells(const py::sequence& arguments) {
  std::vector<Cell> cells;
  for (const py::handle argument : arguments) cells.push_back(to_cell(argument));
  return cells;
}

py::tuple to_python(const Table& table) {
  py::list columns;
  for (const std::string& name : table.columns) columns.append(to_text(name, "the name of a column"));
  py::list rows;
  for (const auto& row : table.rows) {
    py::tuple cells(row.size());
    for (std::size_t i = 0; i < row.size(); ++i) cells[i] = to_python(row[i], table.columns[i]);
    rows.append(cells);
  }
  return py::make_tuple(columns, rows);
}

py::tuple query(RunStore& store, const std::string& sql, const py::sequence& arguments) {
  const auto cells = to_cells(arguments);
  Table table;
  {
    const py::gil_scoped_release release;
    table = store.reader()->query(sql, cells);
  }
  return to_python(table);
}

std::int64_t execute(RunStore& store, const std::string& sql, const py::sequence& arguments) {
  const auto cells = to_cells(arguments);
  const py::gil_scoped_release release;
  return store.execute(sql, cells);
}

/// Rows (key JSON or None, value as str or bytes) of a stage as one run left them.
py::list results(RunStore& store, std::int64_t stage, std::int64_t run) {
  std::vector<std::pair<std::string, Value>> found;
  {
    const py::gil_scoped_release release;
    store.reader()->results(
        stage, run, [&](const std::string& key, Value value) { found.emplace_back(key, std::move(value)); });
  }
  py::list rows;
  for (const auto& [key, value] : found) {
    const std::string_view bytes = value.bytes();
    const py::object data = value.text() ? to_text(bytes, "the result of a stage")
                                         : py::object(py::bytes(bytes.data(), bytes.size()));
    rows.append(
        py::make_tuple(key.empty() ? py::object(py::none()) : to_text(key, "the key of an item"), data));
  }
  return rows;
}

}  // namespace

void bind_store(py::module_& m) {
  using release = py::call_guard<py::gil_scoped_release>;
  py::class_<RunStore, std::shared_ptr<RunStore>>(m, "RunStore", "The journal of runs in one SQLite file.")
      .def_property_readonly("location", &RunStore::location)
      .def("query", &query, py::arg("sql"), py::arg("arguments") = py::tuple(),
           "Read-only SQL: (columns, rows).")
      .def("execute", &execute, py::arg("sql"), py::arg("arguments") = py::tuple(),
           "One durable writing statement.")
      .def("results", &results, py::arg("stage"), py::arg("run"),
           "Checked results of a stage's table in a run.")
      .def("flush", &RunStore::flush, release(), "Waits until all that was appended is durable.")
      .def("active", &RunStore::active, py::arg("run"), release(), "Whether a live process works on the run.")
      .def("check", &RunStore::check, py::arg("pipeline"), release(),
           "Raises where something recorded of a pipeline can't be found.")
      .def("verify", &RunStore::verify, release(),
           "One line a fault; empty: nothing was altered or left out.")
      .def("prune", py::overload_cast<std::int64_t, std::int64_t>(&RunStore::prune), py::arg("keep_last"),
           py::arg("started_before_ms") = INT64_MAX, release(), "Forgets old runs; returns how many.");
  m.def(
      "open_store",
      [](const std::string& location, bool create) { return held_without_gil(open_store(location, create)); },
      py::arg("location"), py::arg("create") = true, release(), "Opens a run store.");
}
