#include "kernels.h"

#include <type_traits>

#include "kernels_impl.h"
#include "kernels_x86.h"

namespace headrace::text {

namespace {

struct Scalar {
  static constexpr bool kVector = false;
  template <class Code>
  static uint64_t equal(const Code*, Code) {
    return 0;
  }
  template <class Code>
  static uint64_t blanks(const Code*) {
    return 0;
  }
  template <class Code>
  static uint64_t sentence_marks(const Code*) {
    return 0;
  }
};

template <class Code>
constexpr Kernels<Code> kScalarKernels = make_kernels<Scalar, Code>();

#ifdef HEADRACE_X86
template <class Code>
const Kernels<Code>& x86_kernels(bool avx2) {
  if constexpr (std::is_same_v<Code, uint8_t>) return avx2 ? kAvx2Latin1 : kSse2Latin1;
  if constexpr (std::is_same_v<Code, uint16_t>) return avx2 ? kAvx2Ucs2 : kSse2Ucs2;
  if constexpr (std::is_same_v<Code, uint32_t>) return avx2 ? kAvx2Ucs4 : kSse2Ucs4;
}
#endif

}  // namespace

Simd best_simd() {
#ifdef HEADRACE_X86
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi")) return Simd::kAvx2;
  return Simd::kSse2;
#else
  return Simd::kScalar;
#endif
}

template <class Code>
const Kernels<Code>& kernels(Simd simd) {
#ifdef HEADRACE_X86
  if (simd != Simd::kScalar) return x86_kernels<Code>(simd == Simd::kAvx2);
#endif
  return kScalarKernels<Code>;
}

template const Kernels<uint8_t>& kernels(Simd);
template const Kernels<uint16_t>& kernels(Simd);
template const Kernels<uint32_t>& kernels(Simd);

}  // namespace headrace::text
