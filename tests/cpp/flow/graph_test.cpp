#include "headrace/flow/graph.h"

#include <gtest/gtest.h>

#include <atomic>

#include "headrace/base/error.h"

namespace headrace {
namespace {

/// A 100 x 100 wavefront: each node after the one above and the one to its left.
Graph wavefront(int side, const std::function<void(int, int)>& work) {
  Graph graph;
  for (int y = 0; y < side; ++y) {
    for (int x = 0; x < side; ++x) {
      const Graph::Node node = graph.add([=] { work(y, x); });
      if (x > 0) graph.edge(node - 1, node);
      if (y > 0) graph.edge(node - static_cast<Graph::Node>(side), node);
    }
  }
  return graph;
}

TEST(Graph, RunsEveryNodeAfterThoseBeforeIt) {
  for (const int threads : {1, 2, 4}) {
    std::vector<std::atomic<int>> done(100 * 100);
    std::atomic<int> early{0};
    Graph graph = wavefront(100, [&](int y, int x) {
      if (x > 0 && !done[static_cast<std::size_t>(y * 100 + x - 1)]) ++early;
      if (y > 0 && !done[static_cast<std::size_t>((y - 1) * 100 + x)]) ++early;
      ++done[static_cast<std::size_t>(y * 100 + x)];
    });
    graph.run(threads);
    EXPECT_EQ(early, 0);
    for (const auto& count : done) ASSERT_EQ(count, 1);
  }
}

TEST(Graph, FirstExceptionStopsTheRestAndIsThrown) {
  std::atomic<int> after{0};
  Graph graph;
  const auto bad = graph.add([] { throw ResourceError("no more"); });
  const auto next = graph.add([&] { ++after; });
  graph.edge(bad, next);
  EXPECT_THROW(graph.run(2), ResourceError);
  EXPECT_EQ(after, 0);
}

TEST(Graph, NamesACycle) {
  Graph graph;
  const auto a = graph.add([] {});
  const auto b = graph.add([] {});
  graph.edge(a, b);
  graph.edge(b, a);
  EXPECT_THROW(graph.run(1), WorkflowValidationError);
  EXPECT_TRUE(graph.order().empty());
}

TEST(Graph, StopsWhenCancelled) {
  CancelToken cancel;
  std::atomic<int> ran{0};
  Graph graph = wavefront(50, [&](int, int) {
    if (++ran == 10) cancel.cancel();
  });
  graph.run(1, cancel);
  EXPECT_LT(ran, 2500);
}

}  // namespace
}  // namespace headrace
