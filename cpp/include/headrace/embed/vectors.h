#pragma once

#include <cstdint>
#include <vector>

#include "headrace/embed/matrix.h"

namespace headrace::embed {

/// Somebody's row-major float32 matrix: read, not owned; must outlive the call it is given to.
struct MatrixView {
  const float* data = nullptr;
  int64_t rows = 0;
  int64_t cols = 0;

  MatrixView() = default;
  MatrixView(const float* block, int64_t row_count, int64_t col_count)
      : data(block), rows(row_count), cols(col_count) {}
  MatrixView(const Matrix& matrix) : data(matrix.data()), rows(matrix.rows()), cols(matrix.cols()) {}
};

/// Mean of each text's token vectors: `tokens` is batch x length x dim, `mask` batch x length (1: counts,
/// 0: padding). The result is batch x dim; a text whose mask is all 0 gives zeros.
/// Throws ConfigurationError when tokens doesn't have batch * length rows.
Matrix mean_pool(const MatrixView& tokens, const int64_t* mask, int64_t batch, int64_t length);

/// Divides each row by its length, in place. Rows of zeros stay; a row with NaN or infinity gives NaN.
void l2_normalise(float* data, int64_t rows, int64_t cols) noexcept;

/// Rows in one byte a value: value ~ code * scale(row), scale = largest magnitude / 127. Rows of zeros have
/// scale 0.
struct Int8Rows {
  std::vector<int8_t> codes;  // rows x cols
  std::vector<float> scales;  // one a row
};
/// Throws ConfigurationError naming the first row that holds NaN or infinity.
Int8Rows quantise_int8(const MatrixView& rows);
Matrix dequantise_int8(const int8_t* codes, const float* scales, int64_t rows, int64_t cols);

/// One bit a value, 1 where it is positive, eight to a byte, the first in the highest bit (as
/// numpy.packbits): rows x ceil(cols / 8).
std::vector<uint8_t> quantise_binary(const MatrixView& rows);

}  // namespace headrace::embed
