#include "headrace/embed/vectors.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "headrace/base/error.h"

namespace headrace::embed {
namespace {

TEST(MeanPool, AveragesWhatTheMaskKeeps) {
  const std::vector<float> tokens = {1, 2, 3, 4, 100, 100, 5, 6, 7, 8, 9, 10};  // 2 texts x 3 tokens x 2
  const std::vector<int64_t> mask = {1, 1, 0, 0, 0, 0};
  const Matrix pooled = mean_pool({tokens.data(), 6, 2}, mask.data(), 2, 3);
  EXPECT_EQ(std::vector<float>(pooled.data(), pooled.data() + 4), (std::vector<float>{2, 3, 0, 0}));
  EXPECT_THROW(mean_pool({tokens.data(), 5, 2}, mask.data(), 2, 3), ConfigurationError);
}

TEST(L2Normalise, GivesLengthOneAndLeavesZeros) {
  std::vector<float> rows = {3, 4, 0, 0, -5, 12};
  l2_normalise(rows.data(), 3, 2);
  EXPECT_FLOAT_EQ(rows[0], 0.6F);
  EXPECT_FLOAT_EQ(rows[3], 0.0F);
  EXPECT_FLOAT_EQ(rows[5], 12.0F / 13);
}

TEST(QuantiseInt8, KeepsRowsWithinHalfAStep) {
  const std::vector<float> rows = {1, -2, 0.5F, 0, 0, 0};
  const Int8Rows quantised = quantise_int8({rows.data(), 2, 3});
  EXPECT_EQ(quantised.codes, (std::vector<int8_t>{64, -127, 32, 0, 0, 0}));
  EXPECT_EQ(quantised.scales[1], 0.0F);
  const Matrix back = dequantise_int8(quantised.codes.data(), quantised.scales.data(), 2, 3);
  for (size_t i = 0; i < 6; ++i) EXPECT_NEAR(back.data()[i], rows[i], 0.5 * quantised.scales[0] + 1e-6);
  const std::vector<float> bad = {0, std::numeric_limits<float>::quiet_NaN()};
  EXPECT_THROW(quantise_int8({bad.data(), 1, 2}), ConfigurationError);
}

TEST(QuantiseBinary, PacksTheFirstValueHighest) {
  const std::vector<float> rows = {1, -1, 1, 0, 0, 0, 0, 2, 3, -3};
  EXPECT_EQ(quantise_binary({rows.data(), 1, 10}), (std::vector<uint8_t>{0b10100001, 0b10000000}));
}

}  // namespace
}  // namespace headrace::embed
