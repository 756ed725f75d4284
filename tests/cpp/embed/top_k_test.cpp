#include "headrace/embed/top_k.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <random>

#include "headrace/base/error.h"

namespace headrace::embed {
namespace {

// Small whole numbers: sums are exact in any order, so that every kernel must agree to the bit.
Matrix whole_numbers(int64_t rows, int64_t cols, unsigned seed) {
  std::mt19937 random(seed);
  Matrix matrix(rows, cols);
  for (int64_t i = 0; i < matrix.size(); ++i) matrix.data()[i] = static_cast<float>(random() % 7) - 3;
  return matrix;
}

std::vector<int64_t> best_rows(std::span<const float> query, const Matrix& rows, int64_t k) {
  std::vector<float> scores;
  for (int64_t i = 0; i < rows.rows(); ++i) {
    scores.push_back(std::inner_product(query.begin(), query.end(), rows.row(i).begin(), 0.0F));
  }
  std::vector<int64_t> order(static_cast<size_t>(rows.rows()));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    return scores[static_cast<size_t>(a)] > scores[static_cast<size_t>(b)];
  });
  order.resize(static_cast<size_t>(k));
  return order;
}

class TopKKernels : public testing::TestWithParam<std::string> {};

TEST_P(TopKKernels, FindTheBestRowsExactly) {
  for (const int64_t queries : {1, 2, 5, 16, 17, 48, 49, 100}) {
    for (const int64_t dim : {1, 15, 16, 64, 70}) {
      const Matrix asked = whole_numbers(queries, dim, 1);
      const Matrix rows = whole_numbers(1203, dim, 2);
      const TopK found = top_k(asked, rows, 7, {Metric::kDot, 3, GetParam()});
      for (int64_t q = 0; q < queries; ++q) {
        const std::vector<int64_t> got(found.indices.begin() + q * 7, found.indices.begin() + (q + 1) * 7);
        ASSERT_EQ(got, best_rows(asked.row(q), rows, 7)) << queries << " x " << dim << ", query " << q;
      }
    }
  }
}

TEST_P(TopKKernels, ThreadsDontMatter) {
  const Matrix asked = whole_numbers(20, 32, 3);
  const Matrix rows = whole_numbers(5000, 32, 4);
  const TopK one = top_k(asked, rows, 9, {Metric::kCosine, 1, GetParam()});
  const TopK four = top_k(asked, rows, 9, {Metric::kCosine, 4, GetParam()});
  EXPECT_EQ(one.indices, four.indices);
  EXPECT_EQ(one.scores, four.scores);
}

TEST_P(TopKKernels, NanNeverWins) {
  Matrix rows(3, 4);
  std::fill(rows.data(), rows.data() + 4, std::numeric_limits<float>::quiet_NaN());
  const TopK found = top_k(Matrix(1, 4), rows, 3, {Metric::kDot, 1, GetParam()});
  EXPECT_EQ(found.indices, (std::vector<int64_t>{1, 2, -1}));
}

INSTANTIATE_TEST_SUITE_P(All, TopKKernels, testing::ValuesIn(top_k_kernels()),
                         [](const auto& instance) { return instance.param; });

TEST(TopK, RefusesWhatCantBe) {
  EXPECT_THROW(top_k(Matrix(1, 3), Matrix(1, 4), 1), ConfigurationError);
  EXPECT_THROW(top_k(Matrix(1, 3), Matrix(1, 3), 0), ConfigurationError);
  EXPECT_THROW(top_k(Matrix(1, 3), Matrix(1, 3), 1, {Metric::kDot, 1, "none"}), ConfigurationError);
  EXPECT_EQ(top_k_kernels().back(), "portable");
}

}  // namespace
}  // namespace headrace::embed
