#include "headrace/embed/matrix.h"

#include <cstdlib>
#include <limits>
#include <string>

#include "headrace/base/error.h"

namespace headrace::embed {

// calloc: large blocks come as untouched zero pages, so that a big matrix costs nothing until it is written.
Matrix::Matrix(int64_t rows, int64_t cols) : rows_(rows), cols_(cols) {
  if (rows < 0 || cols < 0) throw ConfigurationError("a matrix needs sizes >= 0");
  const auto limit = std::numeric_limits<int64_t>::max() / static_cast<int64_t>(sizeof(float));
  if (cols > 0 && rows > limit / cols)
    throw ResourceError("a matrix of that size is beyond the address space");
  if (rows * cols == 0) return;
  data_.reset(static_cast<float*>(std::calloc(static_cast<size_t>(rows * cols), sizeof(float))));
  if (!data_) {
    throw ResourceError("no memory for a matrix of " + std::to_string(rows) + " x " + std::to_string(cols) +
                        " float32");
  }
}

float* Matrix::release() noexcept {
  rows_ = cols_ = 0;
  return data_.release();
}

void Matrix::Free::operator()(float* block) const noexcept {
  std::free(block);
}

}  // namespace headrace::embed
