#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "headrace/embed/vectors.h"

namespace headrace::embed {

enum class Metric { kDot, kCosine };

struct TopKOptions {
  Metric metric = Metric::kCosine;
  int64_t threads = 0;  // 0: all cores; the result doesn't depend on it
  std::string kernel;   // one of top_k_kernels(); empty: the fastest of this processor
};

/// The best rows for each query, best first: queries x k, with k at most the number of rows.
struct TopK {
  int64_t k = 0;
  std::vector<int64_t> indices;  // row numbers, -1 where fewer than k rows have a score that is a number
  std::vector<float> scores;     // -infinity there
};

/// Exact search: the k rows of `rows` with the highest dot product or cosine for each of `queries`. Of equal
/// scores the lower row number comes first. A row or query of zeros has cosine 0; NaN scores never win.
/// Reads `rows` once and keeps only k candidates a query and thread: no matrix of scores.
/// Throws ConfigurationError when the dimensions differ, k < 1 or the kernel is unknown.
TopK top_k(const MatrixView& queries, const MatrixView& rows, int64_t k, const TopKOptions& options = {});

/// Names of the kernels that this processor can run, fastest first; the last is "portable".
std::vector<std::string> top_k_kernels();

}  // namespace headrace::embed
