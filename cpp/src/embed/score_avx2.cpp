// Compiled with -mavx2 -mfma; called only where the processor has both.
#if defined(__AVX2__)
#include <immintrin.h>

#include <cstdint>

namespace headrace::embed {
namespace {

struct Vector {
  using Register = __m256;
  static constexpr int64_t kLanes = 8;
  static Register zero() { return _mm256_setzero_ps(); }
  static Register load(const float* from) { return _mm256_loadu_ps(from); }
  static Register spread(float value) { return _mm256_set1_ps(value); }
  static Register add_product(Register a, Register b, Register sum) { return _mm256_fmadd_ps(a, b, sum); }
  static Register add(Register a, Register b) { return _mm256_add_ps(a, b); }
  static float sum(Register a) {
    const __m128 halves = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    const __m128 pairs = _mm_add_ps(halves, _mm_movehl_ps(halves, halves));
    return _mm_cvtss_f32(_mm_add_ss(pairs, _mm_movehdup_ps(pairs)));
  }
  static Register scale(Register a, float factor) { return _mm256_mul_ps(a, _mm256_set1_ps(factor)); }
  static void store(float* to, Register value) { _mm256_storeu_ps(to, value); }
  static bool any_above(Register scores, const float* bars) {
    return _mm256_movemask_ps(_mm256_cmp_ps(scores, _mm256_loadu_ps(bars), _CMP_NLE_UQ)) != 0;
  }
};

}  // namespace
}  // namespace headrace::embed

#include "score_impl.h"

namespace headrace::embed {
namespace {

bool supported() {
  return __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0;
}

}  // namespace

// 4 rows by 3 registers of queries: 12 sums, 3 queries, 1 row value in 16 registers.
const ScoreKernel kAvx2Scores = {"avx2", Vector::kLanes, 3, 4, &supported, &product, &score<4>, &score_few};

}  // namespace headrace::embed
#endif
