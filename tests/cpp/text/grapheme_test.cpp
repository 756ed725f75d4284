#include "headrace/text/grapheme.h"

#include <gtest/gtest.h>

#include "text/break_file.h"

namespace headrace::text {

TEST(Grapheme, PassesTheConformanceTestOfItsVersion) {
  const std::vector<BreakCase> cases = read_break_file("GraphemeBreakTest.txt");
  ASSERT_EQ(cases.size(), 602u);
  for (const BreakCase& each : cases) {
    EXPECT_EQ(grapheme_boundaries({each.text.data(), static_cast<int64_t>(each.text.size())}), each.breaks)
        << each.line;
  }
}

TEST(Grapheme, NarrowTextHasTheSameBoundaries) {
  const std::vector<uint16_t> ucs2{'a', 0x0301, '\r', '\n', 0x1100, 0x1161, 'b'};
  EXPECT_EQ(grapheme_boundaries({ucs2.data(), 7}), (std::vector<int64_t>{0, 2, 4, 6, 7}));
  const std::vector<uint8_t> latin1{0xE9, '\r', '\n', '\n', 'b'};
  EXPECT_EQ(grapheme_boundaries({latin1.data(), 5}), (std::vector<int64_t>{0, 1, 3, 4, 5}));
}

TEST(Grapheme, KeepsConjunctsTogether) {
  const std::vector<uint16_t> ksha{0x0915, 0x094D, 0x0937};  // KA, VIRAMA, SSA
  EXPECT_EQ(grapheme_boundaries({ksha.data(), 3}), (std::vector<int64_t>{0, 3}));
  const std::vector<uint16_t> parted{0x0915, 0x094D, 0x200C, 0x0937};  // a non-joiner between them
  EXPECT_EQ(grapheme_boundaries({parted.data(), 4}), (std::vector<int64_t>{0, 3, 4}));
}

TEST(Grapheme, AKnownBoundaryBoundsTheLookBack) {
  const std::vector<uint32_t> flags(6, 0x1F1E7);
  EXPECT_FALSE(is_grapheme_boundary(flags.data(), 6, 3, 0));
  EXPECT_TRUE(is_grapheme_boundary(flags.data(), 6, 4, 2));
  EXPECT_TRUE(is_grapheme_boundary(flags.data(), 6, 2, 2));
}

TEST(Grapheme, AnEmptyTextHasNone) {
  EXPECT_TRUE(grapheme_boundaries(TextView()).empty());
}

}  // namespace headrace::text
