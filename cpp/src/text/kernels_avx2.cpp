// Compiled with -mavx2 -mbmi (see CMakeLists.txt): includes nothing that other files share inline code with.
#include "kernels_x86.h"

#ifdef HEADRACE_X86
#include <immintrin.h>

#include "kernels_impl.h"

namespace headrace::text {
namespace {

struct Avx2 {
  static constexpr bool kVector = true;
  static __m256i load(const void* at) { return _mm256_loadu_si256(static_cast<const __m256i*>(at)); }

  // One bit an element out of comparison results: 2 x 32 bytes, 4 x 16 words, 8 x 8 double words.
  static uint64_t pack(__m256i low, __m256i high) {
    return static_cast<uint32_t>(_mm256_movemask_epi8(low)) |
           uint64_t{static_cast<uint32_t>(_mm256_movemask_epi8(high))} << 32;
  }
  static __m256i narrow16(__m256i low, __m256i high) {
    return _mm256_permute4x64_epi64(_mm256_packs_epi16(low, high), 0xD8);
  }
  static __m256i narrow32(__m256i low, __m256i high) {
    return _mm256_permute4x64_epi64(_mm256_packs_epi32(low, high), 0xD8);
  }

  template <class Match>
  static uint64_t mask(const uint8_t* at, Match match) {
    return pack(match(load(at)), match(load(at + 32)));
  }
  template <class Match>
  static uint64_t mask(const uint16_t* at, Match match) {
    return pack(narrow16(match(load(at)), match(load(at + 16))),
                narrow16(match(load(at + 32)), match(load(at + 48))));
  }
  template <class Match>
  static uint64_t mask(const uint32_t* at, Match match) {
    const auto half = [&](const uint32_t* from) {
      return narrow16(narrow32(match(load(from)), match(load(from + 8))),
                      narrow32(match(load(from + 16)), match(load(from + 24))));
    };
    return pack(half(at), half(at + 32));
  }

  static __m256i splat(uint8_t value) { return _mm256_set1_epi8(static_cast<char>(value)); }
  static __m256i splat(uint16_t value) { return _mm256_set1_epi16(static_cast<int16_t>(value)); }
  static __m256i splat(uint32_t value) { return _mm256_set1_epi32(static_cast<int32_t>(value)); }
  static __m256i same(uint8_t, __m256i a, __m256i b) { return _mm256_cmpeq_epi8(a, b); }
  static __m256i same(uint16_t, __m256i a, __m256i b) { return _mm256_cmpeq_epi16(a, b); }
  static __m256i same(uint32_t, __m256i a, __m256i b) { return _mm256_cmpeq_epi32(a, b); }
  // Signed: units from the upper half count as negative, which suits comparisons with small values.
  static __m256i above(uint8_t, __m256i a, __m256i b) { return _mm256_cmpgt_epi8(a, b); }
  static __m256i above(uint16_t, __m256i a, __m256i b) { return _mm256_cmpgt_epi16(a, b); }
  static __m256i above(uint32_t, __m256i a, __m256i b) { return _mm256_cmpgt_epi32(a, b); }

  template <class Unit>
  static uint64_t equal(const Unit* at, Unit value) {
    return mask(at, [&](__m256i units) { return same(value, units, splat(value)); });
  }

  template <class Unit>
  static uint64_t blanks(const Unit* at) {
    return mask(at, [](__m256i units) {
      const __m256i control =
          _mm256_and_si256(above(Unit{}, units, splat(Unit{8})), above(Unit{}, splat(Unit{14}), units));
      __m256i found = _mm256_or_si256(control, same(Unit{}, units, splat(Unit{' '})));
      if constexpr (sizeof(Unit) > 1)
        found = _mm256_or_si256(found, same(Unit{}, units, splat(Unit{0x3000})));
      return found;
    });
  }
};

}  // namespace

constinit const Kernels<uint8_t> kAvx2Latin1 = make_kernels<Avx2, uint8_t>();
constinit const Kernels<uint16_t> kAvx2Ucs2 = make_kernels<Avx2, uint16_t>();
constinit const Kernels<uint32_t> kAvx2Ucs4 = make_kernels<Avx2, uint32_t>();

}  // namespace headrace::text
#endif
