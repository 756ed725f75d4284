#pragma once

#include <cstdlib>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "headrace/base/error.h"
#include "headrace/embed/matrix.h"
#include "pybind.h"

/// What to do with a lone surrogate, which is no Unicode text: refuse it by name, or pass it on as three
/// bytes.
enum class Surrogates { kRefuse, kPass };

/// The strings of a Python sequence as UTF-8, without a copy: the strings keep the bytes, this keeps the
/// strings.
class TextViews {
 public:
  /// Throws, naming the text, ConfigurationError when one is no string, and headrace.EmbeddingError when it
  /// holds a surrogate to be refused.
  explicit TextViews(const py::object& texts, Surrogates surrogates = Surrogates::kRefuse)
      : surrogates_(surrogates) {
    if (PyUnicode_Check(texts.ptr()) || PyBytes_Check(texts.ptr())) {
      throw headrace::ConfigurationError("texts must be a list of strings, not a single one: write [text]");
    }
    owner_ =
        py::reinterpret_steal<py::object>(PySequence_Fast(texts.ptr(), "texts must be a list of strings"));
    if (!owner_) {
      if (PyErr_ExceptionMatches(PyExc_TypeError) == 0) throw py::error_already_set();
      PyErr_Clear();
      throw headrace::ConfigurationError(std::string("texts must be a list of strings, not ") +
                                         Py_TYPE(texts.ptr())->tp_name);
    }
    const Py_ssize_t count = PySequence_Fast_GET_SIZE(owner_.ptr());
    views_.reserve(static_cast<size_t>(count));
    for (Py_ssize_t i = 0; i < count; ++i)
      views_.push_back(view(PySequence_Fast_GET_ITEM(owner_.ptr(), i), i));
  }

  std::span<const std::string_view> get() const noexcept { return views_; }

 private:
  std::string_view view(PyObject* item, Py_ssize_t index) {
    if (!PyUnicode_Check(item)) {
      throw headrace::ConfigurationError("text " + std::to_string(index) + " is not a string but a " +
                                         Py_TYPE(item)->tp_name);
    }
    Py_ssize_t length = 0;
    const char* bytes = PyUnicode_AsUTF8AndSize(item, &length);
    return bytes != nullptr ? std::string_view(bytes, static_cast<size_t>(length)) : encode(item, index);
  }

  std::string_view encode(PyObject* item, Py_ssize_t index) {
    PyErr_Clear();
    if (surrogates_ == Surrogates::kRefuse) {
      const py::object error = py::module_::import("headrace.errors").attr("EmbeddingError");
      const std::string message = "text " + std::to_string(index) +
                                  " holds a lone surrogate, which is no Unicode text: decode its source with "
                                  "errors='replace'";
      PyErr_SetObject(error.ptr(), error(message, py::make_tuple(index)).ptr());
      throw py::error_already_set();
    }
    encoded_.push_back(
        py::reinterpret_steal<py::bytes>(PyUnicode_AsEncodedString(item, "utf-8", "surrogatepass")));
    if (!encoded_.back()) throw py::error_already_set();
    return std::string_view(encoded_.back());
  }

  Surrogates surrogates_;
  py::object owner_;
  std::vector<py::bytes> encoded_;
  std::vector<std::string_view> views_;
};

/// Hands the block of a matrix to NumPy as a C-contiguous float32 array, without a copy.
inline py::array_t<float> to_numpy(headrace::embed::Matrix matrix) {
  const py::ssize_t rows = matrix.rows();
  const py::ssize_t cols = matrix.cols();
  float* block = matrix.release();
  if (block == nullptr) return py::array_t<float>({rows, cols});
  const py::capsule owner(block, [](void* pointer) { std::free(pointer); });
  return py::array_t<float>({rows, cols}, block, owner);
}
