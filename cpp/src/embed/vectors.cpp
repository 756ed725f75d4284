#include "headrace/embed/vectors.h"

#include <Eigen/Core>
#include <cmath>
#include <string>

#include "headrace/base/error.h"

namespace headrace::embed {
namespace {

using Row = Eigen::Map<const Eigen::VectorXf>;

Row row_of(const MatrixView& view, int64_t i) {
  return {view.data + i * view.cols, view.cols};
}

uint8_t pack_bits(const float* values, int64_t count) {
  unsigned byte = 0;
  for (int64_t bit = 0; bit < count; ++bit) byte |= static_cast<unsigned>(values[bit] > 0) << (7 - bit);
  return static_cast<uint8_t>(byte);
}

}  // namespace

Matrix mean_pool(const MatrixView& tokens, const int64_t* mask, int64_t batch, int64_t length) {
  if (batch < 0 || length < 0 || tokens.rows != batch * length) {
    throw ConfigurationError(
        "mean_pool needs token vectors of shape (batch, length, dim) and a mask of (batch, length)");
  }
  Matrix pooled(batch, tokens.cols);
  for (int64_t text = 0; text < batch; ++text) {
    Eigen::Map<Eigen::VectorXf> sum(pooled.data() + text * tokens.cols, tokens.cols);
    int64_t count = 0;
    for (int64_t i = text * length; i < (text + 1) * length; ++i) {
      if (mask[i] == 0) continue;
      sum += row_of(tokens, i);
      ++count;
    }
    if (count > 0) sum /= static_cast<float>(count);
  }
  return pooled;
}

// In double: exact to the last bit or two for any dimension, and still bound by memory.
void l2_normalise(float* data, int64_t rows, int64_t cols) noexcept {
  for (int64_t i = 0; i < rows; ++i) {
    Eigen::Map<Eigen::VectorXf> row(data + i * cols, cols);
    const double squares = row.cast<double>().squaredNorm();
    if (squares != 0) row *= static_cast<float>(1 / std::sqrt(squares));
  }
}

Int8Rows quantise_int8(const MatrixView& rows) {
  Int8Rows quantised;
  quantised.codes.resize(static_cast<size_t>(rows.rows * rows.cols));
  quantised.scales.resize(static_cast<size_t>(rows.rows));
  for (int64_t i = 0; i < rows.rows && rows.cols > 0; ++i) {
    const Row row = row_of(rows, i);
    if (!row.allFinite()) {
      throw ConfigurationError("row " + std::to_string(i) + " holds NaN or infinity and can't be quantised");
    }
    const float largest = row.cwiseAbs().maxCoeff();
    const float inverse = largest > 0 ? 127 / largest : 0;
    quantised.scales[static_cast<size_t>(i)] = largest / 127;
    Eigen::Map<Eigen::Vector<int8_t, Eigen::Dynamic>> codes(quantised.codes.data() + i * rows.cols,
                                                            rows.cols);
    codes = (row * inverse).array().rint().cast<int8_t>();
  }
  return quantised;
}

Matrix dequantise_int8(const int8_t* codes, const float* scales, int64_t rows, int64_t cols) {
  Matrix values(rows, cols);
  for (int64_t i = 0; i < rows; ++i) {
    const Eigen::Map<const Eigen::Vector<int8_t, Eigen::Dynamic>> row(codes + i * cols, cols);
    Eigen::Map<Eigen::VectorXf>(values.data() + i * cols, cols) = row.cast<float>() * scales[i];
  }
  return values;
}

std::vector<uint8_t> quantise_binary(const MatrixView& rows) {
  const int64_t bytes = (rows.cols + 7) / 8;
  std::vector<uint8_t> packed(static_cast<size_t>(rows.rows * bytes));
  for (int64_t i = 0; i < rows.rows; ++i) {
    const float* values = rows.data + i * rows.cols;
    for (int64_t b = 0; b < bytes; ++b) {
      packed[static_cast<size_t>(i * bytes + b)] =
          pack_bits(values + 8 * b, std::min<int64_t>(8, rows.cols - 8 * b));
    }
  }
  return packed;
}

}  // namespace headrace::embed
