// Compiled with -mavx512f; called only where the processor has it.
#if defined(__AVX512F__)
#include <immintrin.h>

#include <cstdint>

namespace headrace::embed {
namespace {

struct Vector {
  using Register = __m512;
  static constexpr int64_t kLanes = 16;
  static Register zero() { return _mm512_setzero_ps(); }
  static Register load(const float* from) { return _mm512_loadu_ps(from); }
  static Register spread(float value) { return _mm512_set1_ps(value); }
  static Register add_product(Register a, Register b, Register sum) { return _mm512_fmadd_ps(a, b, sum); }
  static Register add(Register a, Register b) { return _mm512_add_ps(a, b); }
  static float sum(Register a) { return _mm512_reduce_add_ps(a); }
  static Register scale(Register a, float factor) { return _mm512_mul_ps(a, _mm512_set1_ps(factor)); }
  static void store(float* to, Register value) { _mm512_storeu_ps(to, value); }
  static bool any_above(Register scores, const float* bars) {
    return _mm512_cmp_ps_mask(scores, _mm512_loadu_ps(bars), _CMP_NLE_UQ) != 0;
  }
};

}  // namespace
}  // namespace headrace::embed

#include "score_impl.h"

namespace headrace::embed {
namespace {

bool supported() {
  return __builtin_cpu_supports("avx512f") != 0;
}

}  // namespace

// 8 rows by 3 registers of queries: 24 sums, 3 queries, 1 row value in 32 registers.
const ScoreKernel kAvx512Scores = {"avx512",   Vector::kLanes, 3,         8,
                                   &supported, &product,       &score<8>, &score_few};

}  // namespace headrace::embed
#endif
