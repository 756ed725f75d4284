#include "embed_model.h"

#include "gil.h"
#include "headrace/base/error.h"
#include "headrace/flow/stored_vectors.h"

using namespace headrace::embed;

namespace {

using Floats = py::array_t<float, py::array::c_style | py::array::forcecast>;
using Counts = py::array_t<int64_t, py::array::c_style | py::array::forcecast>;

py::list to_list(std::span<const BatchText> texts) {
  py::list list(texts.size());
  for (size_t i = 0; i < texts.size(); ++i) {
    const std::string_view text = texts[i].text;
    PyObject* string =
        PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), "surrogatepass");
    if (string == nullptr) throw py::error_already_set();
    list[i] = py::reinterpret_steal<py::object>(string);
  }
  return list;
}

py::list to_list(std::span<const std::string> keys) {
  py::list list(keys.size());
  for (size_t i = 0; i < keys.size(); ++i) list[i] = py::str(keys[i]);
  return list;
}

Floats to_matrix(const py::object& answer) {
  Floats rows = Floats::ensure(answer);
  if (!rows) {
    PyErr_Clear();
    throw headrace::EmbeddingError(std::string("the model returned a ") + Py_TYPE(answer.ptr())->tp_name +
                                   " that is no matrix of numbers (n, dim)");
  }
  if (rows.ndim() != 2) {
    throw headrace::EmbeddingError("the model returned an array of " + std::to_string(rows.ndim()) +
                                   " dimensions instead of (n, dim)");
  }
  return rows;
}

}  // namespace

ModelRows PythonModel::embed(std::span<const BatchText> texts) {
  const py::gil_scoped_acquire acquire;
  Floats rows = to_matrix(embed_(to_list(texts)));
  const MatrixView view(rows.data(), rows.shape(0), rows.shape(1));
  return {view, keep(std::move(rows))};
}

void PythonModel::count_tokens(std::span<const BatchText> texts, int64_t* counts) {
  if (count_tokens_.is_none()) return BatchModel::count_tokens(texts, counts);
  const py::gil_scoped_acquire acquire;
  const py::object answer = count_tokens_(to_list(texts));
  const Counts given = Counts::ensure(answer);
  if (!given || given.ndim() != 1 || given.size() != static_cast<py::ssize_t>(texts.size())) {
    PyErr_Clear();
    throw headrace::ConfigurationError("count_tokens must return one number for each text, a list of " +
                                       std::to_string(texts.size()));
  }
  std::copy(given.data(), given.data() + given.size(), counts);
}

// Interrupts and other things that are no Exception, and errors that say the set-up is wrong, are not a
// text's fault.
bool PythonModel::is_fatal(const std::exception_ptr& error) const {
  try {
    std::rethrow_exception(error);
  } catch (const py::error_already_set& raised) {
    const py::gil_scoped_acquire acquire;
    const py::module_ errors = py::module_::import("headrace.errors");
    return !raised.matches(PyExc_Exception) || raised.matches(errors.attr("ConfigurationError")) ||
           raised.matches(errors.attr("CancelledError"));
  } catch (...) {
    return BatchModel::is_fatal(error);
  }
}

void PythonModel::check_interrupt() {
  const py::gil_scoped_acquire acquire;
  if (PyErr_CheckSignals() != 0) throw py::error_already_set();
}

// What goes wrong here must not hide the error that stopped the batcher.
void PythonModel::stop() noexcept {
  const py::gil_scoped_acquire acquire;
  try {
    if (!interrupt_.is_none()) interrupt_();
  } catch (py::error_already_set& error) {
    error.discard_as_unraisable("interrupting an embedder");
  }
}

CachedRows PythonCache::get(std::span<const std::string> keys) {
  const py::gil_scoped_acquire acquire;
  const py::list answers(cache_.attr("get_many")(to_list(keys)));
  CachedRows found;
  py::list arrays;
  for (const py::handle answer : answers) {
    Floats row = answer.is_none() ? Floats() : Floats::ensure(answer);
    if (!row) row = Floats();  // whatever it is, it is no row: the model makes a new one
    found.rows.emplace_back(row.data(), static_cast<size_t>(row.ndim() == 1 ? row.size() : 0));
    arrays.append(row);
  }
  found.owner = keep(std::move(arrays));
  return found;
}

void PythonCache::put(std::span<const std::string> keys, const MatrixView& rows) {
  const py::gil_scoped_acquire acquire;
  py::array_t<float> copy({rows.rows, rows.cols}, rows.data);
  cache_.attr("put_many")(to_list(keys), copy);
}

std::shared_ptr<EmbeddingCache> cache_of(py::object cache, const std::string& model_id) {
  if (cache.is_none()) return nullptr;
  if (py::isinstance<headrace::RunStore>(cache)) {
    return std::make_shared<headrace::StoredVectors>(cache.cast<std::shared_ptr<headrace::RunStore>>(),
                                                     model_id);
  }
  return {new PythonCache(std::move(cache)), [](PythonCache* held) {
            if (!Py_IsInitialized() || _Py_IsFinalizing()) return;
            const WithGil gil;
            delete held;
          }};
}
