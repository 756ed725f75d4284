#include "headrace/embed/bm25.h"

#include <gtest/gtest.h>

#include <cmath>

#include "headrace/base/error.h"

namespace headrace::embed {
namespace {

using Views = std::vector<std::string_view>;

const Views kTexts = {"a b a", "b c", ""};

TEST(Bm25, DocumentsHoldSaturatedCounts) {
  const SparseRows rows = Bm25({.k1 = 1, .b = 0, .average_length = 2}).embed_documents(kTexts);
  EXPECT_EQ(rows.starts, (std::vector<int64_t>{0, 2, 4, 4}));
  std::vector<float> first(rows.values.begin(), rows.values.begin() + 2);
  std::sort(first.begin(), first.end());
  EXPECT_FLOAT_EQ(first[0], 1.0F);         // once: 2 / (1 + 1)
  EXPECT_FLOAT_EQ(first[1], 4.0F / 3.0F);  // twice: 4 / (2 + 1)
}

TEST(Bm25, QueriesHoldTheIdf) {
  Bm25 model;
  model.add(kTexts);
  model.end_fit();
  EXPECT_EQ(model.documents(), 3);
  EXPECT_NEAR(model.average_length(), 5.0 / 3, 1e-12);
  const Views query = {"c"};
  EXPECT_NEAR(model.embed_queries(query).values[0], std::log(1 + 2.5 / 1.5), 1e-6);
}

TEST(Bm25, StateBringsItBackAndDamageIsFound) {
  Bm25 model({.k1 = 2});
  model.add(kTexts);
  model.end_fit();
  const std::string state = model.state();
  EXPECT_EQ(Bm25::from_state(state).state(), state);
  EXPECT_EQ(Bm25::from_state(state).model_id(), model.model_id());
  for (size_t length = 0; length < state.size(); ++length) {
    EXPECT_THROW(Bm25::from_state(state.substr(0, length)), PipelineError);
  }
}

TEST(Bm25, RefusesSettingsOutOfRange) {
  EXPECT_THROW(Bm25({.k1 = -1}), ConfigurationError);
  EXPECT_THROW(Bm25({.b = 2}), ConfigurationError);
  EXPECT_THROW(Bm25({.average_length = 0}), ConfigurationError);
}

}  // namespace
}  // namespace headrace::embed
