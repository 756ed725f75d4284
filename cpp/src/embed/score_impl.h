#pragma once

// The body of a score kernel. Each translation unit that includes it is compiled for another processor and
// defines Vector before: everything here has internal linkage, so that the linker can't hand one's code to
// another.
#include "score_kernel.h"

namespace headrace::embed {
namespace {

constexpr int64_t kLine = 16;  // floats in a cache line

float product(const float* a, const float* b, int64_t count) {
  constexpr int kChains = 4;
  typename Vector::Register sums[kChains];
  for (auto& sum : sums) sum = Vector::zero();
  int64_t i = 0;
  for (; i + kChains * Vector::kLanes <= count; i += kChains * Vector::kLanes) {
    for (int c = 0; c < kChains; ++c) {
      const int64_t at = i + c * Vector::kLanes;
      sums[c] = Vector::add_product(Vector::load(a + at), Vector::load(b + at), sums[c]);
    }
  }
  float total = Vector::sum(Vector::add(Vector::add(sums[0], sums[1]), Vector::add(sums[2], sums[3])));
  for (; i < count; ++i) total += a[i] * b[i];
  return total;
}

// A few queries: along the columns, so that memory is the only limit.
bool score_few(const float* queries, int64_t width, const float* rows, int64_t count, int64_t dim,
               const float* factors, const float* bars, float* scores) {
  bool any = false;
  for (int64_t r = 0; r < count; ++r) {
    for (int64_t q = 0; q < width; ++q) {
      const float score = product(rows + r * dim, queries + q * dim, dim) * factors[r];
      scores[r * width + q] = score;
      any |= !(score <= bars[q]);
    }
  }
  return any;
}

// The next block's lines are asked for while this one is worked on: eight short streams are too many for the
// processor to foresee.
template <int kVectors, int kRows>
bool score_rows(const float* queries, const float* rows, int64_t dim, const float* factors, const float* bars,
                float* scores) {
  typename Vector::Register sums[kRows][kVectors];
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kVectors; ++v) sums[r][v] = Vector::zero();
  }
  constexpr int64_t kWidth = kVectors * Vector::kLanes;
  for (int64_t begin = 0; begin < dim; begin += kLine) {
    const int64_t end = begin + kLine < dim ? begin + kLine : dim;
    for (int r = 0; r < kRows; ++r) __builtin_prefetch(rows + (kRows + r) * dim + begin);
    for (int64_t i = begin; i < end; ++i) {
      typename Vector::Register lanes[kVectors];
      for (int v = 0; v < kVectors; ++v) lanes[v] = Vector::load(queries + i * kWidth + v * Vector::kLanes);
      for (int r = 0; r < kRows; ++r) {
        const auto value = Vector::spread(rows[r * dim + i]);
        for (int v = 0; v < kVectors; ++v) sums[r][v] = Vector::add_product(value, lanes[v], sums[r][v]);
      }
    }
  }
  bool any = false;
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kVectors; ++v) {
      const auto score = Vector::scale(sums[r][v], factors[r]);
      Vector::store(scores + r * kWidth + v * Vector::kLanes, score);
      any |= Vector::any_above(score, bars + v * Vector::kLanes);
    }
  }
  return any;
}

template <int kVectors, int kRows>
bool score_some(const float* queries, const float* rows, int64_t count, int64_t dim, const float* factors,
                const float* bars, float* scores) {
  if (count == kRows) return score_rows<kVectors, kRows>(queries, rows, dim, factors, bars, scores);
  bool any = false;
  for (int64_t r = 0; r < count; ++r) {
    any |= score_rows<kVectors, 1>(queries, rows + r * dim, dim, factors + r, bars,
                                   scores + r * kVectors * Vector::kLanes);
  }
  return any;
}

template <int kRows>
bool score(const float* queries, int64_t width, const float* rows, int64_t count, int64_t dim,
           const float* factors, const float* bars, float* scores) {
  switch (width / Vector::kLanes) {
    case 1:
      return score_some<1, kRows>(queries, rows, count, dim, factors, bars, scores);
    case 2:
      return score_some<2, kRows>(queries, rows, count, dim, factors, bars, scores);
    default:
      return score_some<3, kRows>(queries, rows, count, dim, factors, bars, scores);
  }
}

}  // namespace
}  // namespace headrace::embed
