#pragma once

#include <cstdint>

namespace headrace::embed {

/// Dot products of packed queries with rows, for one kind of processor. A score depends on its two vectors
/// and on which of the two functions made it, not on blocks or neighbours.
struct ScoreKernel {
  const char* name;
  int64_t lanes;   // queries a vector register holds
  int64_t panels;  // registers of queries at once; a panel is up to lanes * panels queries
  int64_t rows;    // rows at once
  bool (*supported)();

  float (*product)(const float* a, const float* b, int64_t count);

  /// scores[r * width + q] = factors[r] * (row r . query q) for r < count <= rows. `queries` is packed dim x
  /// width, and width a multiple of lanes. Returns whether any score may beat its query's bar: !(score <=
  /// bars[q]).
  bool (*score)(const float* queries, int64_t width, const float* rows, int64_t count, int64_t dim,
                const float* factors, const float* bars, float* scores);
  /// The same for any width, with `queries` width x dim: faster for few of them.
  bool (*score_few)(const float* queries, int64_t width, const float* rows, int64_t count, int64_t dim,
                    const float* factors, const float* bars, float* scores);
};

extern const ScoreKernel kPortableScores;
#ifdef HEADRACE_X86_KERNELS
extern const ScoreKernel kAvx2Scores;
extern const ScoreKernel kAvx512Scores;
#endif

}  // namespace headrace::embed
