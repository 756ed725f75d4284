#include "headrace/base/error.h"

#include <gtest/gtest.h>

namespace headrace {

TEST(Error, StageErrorNamesStageAndItem) {
  StageError error("words", "a.txt", "no such file");
  EXPECT_STREQ(error.what(), "stage 'words', item a.txt: no such file");
  EXPECT_EQ(error.stage(), "words");
  EXPECT_EQ(error.key(), "a.txt");
}

TEST(Error, EveryCategoryHasAName) {
  EXPECT_STREQ(category_name(Category::kTransient), "transient");
  EXPECT_STREQ(category_name(Category::kCode), "code");
}

}  // namespace headrace
