#include <cstring>

#include "embed_arrays.h"
#include "headrace/embed/top_k.h"
#include "headrace/embed/vectors.h"

namespace {

using namespace headrace::embed;
using Floats = py::array_t<float, py::array::c_style | py::array::forcecast>;
using Masks = py::array_t<int64_t, py::array::c_style | py::array::forcecast>;
using Codes = py::array_t<int8_t, py::array::c_style>;

MatrixView view(const Floats& array, const char* name) {
  if (array.ndim() != 2) {
    throw headrace::ConfigurationError(std::string(name) + " must have two dimensions (n, dim), not " +
                                       std::to_string(array.ndim()));
  }
  return {array.data(), array.shape(0), array.shape(1)};
}

template <class T>
py::array_t<T> copy(const std::vector<T>& values, std::vector<py::ssize_t> shape) {
  py::array_t<T> array(std::move(shape));
  if (!values.empty()) std::memcpy(array.mutable_data(), values.data(), values.size() * sizeof(T));
  return array;
}

py::array_t<float> pool(const Floats& tokens, const Masks& mask) {
  if (tokens.ndim() != 3 || mask.ndim() != 2) {
    throw headrace::ConfigurationError(
        "mean_pool needs tokens of shape (batch, length, dim) and a mask of (batch, length)");
  }
  const MatrixView rows(tokens.data(), tokens.shape(0) * tokens.shape(1), tokens.shape(2));
  if (mask.shape(0) != tokens.shape(0) || mask.shape(1) != tokens.shape(1)) {
    throw headrace::ConfigurationError(
        "the mask must have the first two sizes of the tokens, (batch, length)");
  }
  Matrix pooled;
  {
    const py::gil_scoped_release release;
    pooled = mean_pool(rows, mask.data(), mask.shape(0), mask.shape(1));
  }
  return to_numpy(std::move(pooled));
}

void normalise(py::array_t<float, py::array::c_style>& rows) {
  if (rows.ndim() != 2) throw headrace::ConfigurationError("rows must have two dimensions (n, dim)");
  float* data = rows.mutable_data();
  const py::gil_scoped_release release;
  l2_normalise(data, rows.shape(0), rows.shape(1));
}

py::tuple to_int8(const Floats& rows) {
  const MatrixView values = view(rows, "rows");
  Int8Rows quantised;
  {
    const py::gil_scoped_release release;
    quantised = quantise_int8(values);
  }
  return py::make_tuple(copy(quantised.codes, {values.rows, values.cols}),
                        copy(quantised.scales, {values.rows}));
}

py::array_t<float> from_int8(const Codes& codes, const Floats& scales) {
  if (codes.ndim() != 2 || scales.ndim() != 1 || scales.shape(0) != codes.shape(0)) {
    throw headrace::ConfigurationError("dequantise_int8 needs codes of shape (n, dim) and scales of (n,)");
  }
  return to_numpy(dequantise_int8(codes.data(), scales.data(), codes.shape(0), codes.shape(1)));
}

py::array_t<uint8_t> to_binary(const Floats& rows) {
  const MatrixView values = view(rows, "rows");
  std::vector<uint8_t> packed;
  {
    const py::gil_scoped_release release;
    packed = quantise_binary(values);
  }
  return copy(packed, {values.rows, (values.cols + 7) / 8});
}

py::tuple search(const Floats& queries, const Floats& rows, int64_t k, bool cosine, int64_t threads,
                 const std::string& kernel) {
  const MatrixView asked = view(queries, "queries");
  const MatrixView stored = view(rows, "rows");
  TopK found;
  {
    const py::gil_scoped_release release;
    found = top_k(asked, stored, k, {cosine ? Metric::kCosine : Metric::kDot, threads, kernel});
  }
  return py::make_tuple(copy(found.indices, {asked.rows, found.k}),
                        copy(found.scores, {asked.rows, found.k}));
}

}  // namespace

void bind_embed_vectors(py::module_& m) {
  m.def("mean_pool", &pool, py::arg("tokens"), py::arg("mask"),
        "Mean of each text's token vectors: float32 (batch, dim).");
  m.def("l2_normalise", &normalise, py::arg("rows").noconvert(), "Divide each row by its length, in place.");
  m.def("quantise_int8", &to_int8, py::arg("rows"), "Codes int8 (n, dim) and scales float32 (n,).");
  m.def("dequantise_int8", &from_int8, py::arg("codes"), py::arg("scales"),
        "codes * scales: float32 (n, dim).");
  m.def("quantise_binary", &to_binary, py::arg("rows"), "Signs as bits: uint8 (n, ceil(dim / 8)).");
  m.def("top_k", &search, py::arg("queries"), py::arg("rows"), py::arg("k"), py::arg("cosine"),
        py::arg("threads"), py::arg("kernel"),
        "Row numbers int64 (q, k) and scores float32 (q, k), best first.");
  m.def("top_k_kernels", &top_k_kernels, "Names of the kernels that this processor can run, fastest first.");
}
