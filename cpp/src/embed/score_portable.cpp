#include <cstdint>
#include <cstring>

namespace headrace::embed {
namespace {

// Four floats wherever the compiler knows vectors: SSE2 on any x86-64, NEON on any aarch64.
struct Vector {
  typedef float Register __attribute__((vector_size(16)));
  static constexpr int64_t kLanes = 4;
  static Register zero() { return Register{0, 0, 0, 0}; }
  static Register load(const float* from) {
    Register value;
    std::memcpy(&value, from, sizeof value);
    return value;
  }
  static Register spread(float value) { return Register{value, value, value, value}; }
  static Register add_product(Register a, Register b, Register sum) { return sum + a * b; }
  static Register add(Register a, Register b) { return a + b; }
  static float sum(Register a) { return (a[0] + a[2]) + (a[1] + a[3]); }
  static Register scale(Register a, float factor) { return a * factor; }
  static void store(float* to, Register value) { std::memcpy(to, &value, sizeof value); }
  static bool any_above(Register scores, const float* bars) {
    bool any = false;
    for (int i = 0; i < 4; ++i) any |= !(scores[i] <= bars[i]);
    return any;
  }
};

}  // namespace
}  // namespace headrace::embed

#include "score_impl.h"

namespace headrace::embed {
namespace {

bool supported() {
  return true;
}

}  // namespace

const ScoreKernel kPortableScores = {"portable", Vector::kLanes, 3,         4,
                                     &supported, &product,       &score<4>, &score_few};

}  // namespace headrace::embed
