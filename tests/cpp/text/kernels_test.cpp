#include "kernels.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace headrace::text {

namespace {

template <class Unit>
class KernelsTest : public testing::Test {
 protected:
  // Text with line feeds, blanks and units at the edges of what signed comparisons could confuse.
  std::vector<Unit> text(int64_t size, uint32_t seed) {
    static constexpr uint32_t kUnits[] = {'\n', '\n', ' ',  '\t',   '\r',   'a',    'b',    0x0E,    0x08,
                                          0x7F, 0x80, 0xFF, 0x0A0A, 0x3000, 0x8020, 0xFFFF, 0x10FFFF};
    std::mt19937 random(seed);
    std::vector<Unit> units(static_cast<size_t>(size));
    const uint32_t sparse = random() % 40;
    for (Unit& unit : units)
      unit = static_cast<Unit>(random() % (sparse + 1) == 0 ? kUnits[random() % std::size(kUnits)] : 'x');
    return units;
  }
};

using Units = testing::Types<uint8_t, uint16_t, uint32_t>;
TYPED_TEST_SUITE(KernelsTest, Units);

}  // namespace

TYPED_TEST(KernelsTest, AllSetsGiveTheSameAnswers) {
  const Kernels<TypeParam>& plain = kernels<TypeParam>(Simd::kScalar);
  for (uint32_t seed = 0; seed < 3000; ++seed) {
    std::mt19937 random(seed);
    const int64_t size = random() % 300;
    const auto text = this->text(size, seed);
    const int64_t floor = size == 0 ? 0 : random() % size;
    const int64_t low = floor + (size == floor ? 0 : random() % (size - floor));
    const int64_t high = low + (size == low ? 0 : random() % (size - low + 1));
    for (const Simd simd : {Simd::kSse2, Simd::kAvx2}) {
      if (simd > best_simd()) continue;
      const Kernels<TypeParam>& fast = kernels<TypeParam>(simd);
      const LineBreaks expected = plain.last_breaks(text.data(), floor, low, high);
      const LineBreaks found = fast.last_breaks(text.data(), floor, low, high);
      ASSERT_EQ(found.line, expected.line) << seed;
      ASSERT_EQ(found.paragraph, expected.paragraph) << seed;
      ASSERT_EQ(fast.first_line_feed(text.data(), low, high), plain.first_line_feed(text.data(), low, high))
          << seed;
      ASSERT_EQ(fast.last_blank(text.data(), low, high), plain.last_blank(text.data(), low, high)) << seed;
      ASSERT_EQ(fast.utf8_size(text.data(), low, high), plain.utf8_size(text.data(), low, high)) << seed;
    }
  }
}

}  // namespace headrace::text
