#pragma once

#include <cstdint>
#include <memory>
#include <span>

namespace headrace::embed {

/// A row-major float32 matrix in one block, zero at first; rows() x cols(), both >= 0.
/// Movable, not copyable: the block can be handed to NumPy as it is (release()).
class Matrix {
 public:
  Matrix() = default;
  /// Throws ConfigurationError for a negative size, ResourceError when the memory isn't there.
  Matrix(int64_t rows, int64_t cols);

  int64_t rows() const noexcept { return rows_; }
  int64_t cols() const noexcept { return cols_; }
  int64_t size() const noexcept { return rows_ * cols_; }
  float* data() noexcept { return data_.get(); }
  const float* data() const noexcept { return data_.get(); }
  std::span<float> row(int64_t i) noexcept { return {data_.get() + i * cols_, static_cast<size_t>(cols_)}; }
  std::span<const float> row(int64_t i) const noexcept {
    return {data_.get() + i * cols_, static_cast<size_t>(cols_)};
  }

  /// Gives the block away; the new owner calls std::free on it. The matrix is 0 x 0 afterwards.
  float* release() noexcept;

 private:
  struct Free {
    void operator()(float* block) const noexcept;
  };
  int64_t rows_ = 0;
  int64_t cols_ = 0;
  std::unique_ptr<float, Free> data_;
};

}  // namespace headrace::embed
