// Nanoseconds a node of a 100 x 100 wavefront of no-ops, run only and with building: the medians of 15.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "headrace/flow/graph.h"

using headrace::Graph;
using Clock = std::chrono::steady_clock;

namespace {

constexpr int kSide = 100;

Graph build() {
  Graph graph;
  graph.reserve(kSide * kSide, 2 * kSide * kSide);
  for (int y = 0; y < kSide; ++y) {
    for (int x = 0; x < kSide; ++x) {
      const Graph::Node node = graph.add([] {});
      if (x > 0) graph.edge(node - 1, node);
      if (y > 0) graph.edge(node - kSide, node);
    }
  }
  return graph;
}

double nanoseconds(Clock::time_point from) {
  return std::chrono::duration<double, std::nano>(Clock::now() - from).count() / (kSide * kSide);
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

}  // namespace

int main(int count, char** arguments) {
  const int threads = count > 1 ? std::atoi(arguments[1]) : 1;
  std::vector<double> run_only;
  std::vector<double> with_building;
  for (int i = 0; i < 15; ++i) {
    const auto began = Clock::now();
    Graph graph = build();
    graph.run(threads);
    with_building.push_back(nanoseconds(began));
    const auto again = Clock::now();
    graph.run(threads);
    run_only.push_back(nanoseconds(again));
  }
  std::printf("%.1f %.1f\n", median(run_only), median(with_building));
  return 0;
}
