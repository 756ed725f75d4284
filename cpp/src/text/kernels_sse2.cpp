// What every x86-64 processor has.
#include "kernels_x86.h"

#ifdef HEADRACE_X86
#include <emmintrin.h>

#include "kernels_impl.h"

namespace headrace::text {
namespace {

struct Sse2 {
  static constexpr bool kVector = true;
  static __m128i load(const void* at) { return _mm_loadu_si128(static_cast<const __m128i*>(at)); }

  // One bit an element out of comparison results: 4 x 16 bytes, 8 x 8 words, 16 x 4 double words.
  static uint64_t bits16(__m128i results) { return static_cast<uint32_t>(_mm_movemask_epi8(results)); }

  template <class Match>
  static uint64_t mask(const uint8_t* at, Match match) {
    uint64_t bits = 0;
    for (int i = 0; i < 4; ++i) bits |= bits16(match(load(at + 16 * i))) << 16 * i;
    return bits;
  }
  template <class Match>
  static uint64_t mask(const uint16_t* at, Match match) {
    uint64_t bits = 0;
    for (int i = 0; i < 4; ++i, at += 16)
      bits |= bits16(_mm_packs_epi16(match(load(at)), match(load(at + 8)))) << 16 * i;
    return bits;
  }
  template <class Match>
  static uint64_t mask(const uint32_t* at, Match match) {
    uint64_t bits = 0;
    for (int i = 0; i < 4; ++i, at += 16) {
      const __m128i low = _mm_packs_epi32(match(load(at)), match(load(at + 4)));
      bits |= bits16(_mm_packs_epi16(low, _mm_packs_epi32(match(load(at + 8)), match(load(at + 12)))))
              << 16 * i;
    }
    return bits;
  }

  static __m128i splat(uint8_t value) { return _mm_set1_epi8(static_cast<char>(value)); }
  static __m128i splat(uint16_t value) { return _mm_set1_epi16(static_cast<int16_t>(value)); }
  static __m128i splat(uint32_t value) { return _mm_set1_epi32(static_cast<int32_t>(value)); }
  static __m128i same(uint8_t, __m128i a, __m128i b) { return _mm_cmpeq_epi8(a, b); }
  static __m128i same(uint16_t, __m128i a, __m128i b) { return _mm_cmpeq_epi16(a, b); }
  static __m128i same(uint32_t, __m128i a, __m128i b) { return _mm_cmpeq_epi32(a, b); }
  // Signed: units from the upper half count as negative, which suits comparisons with small values.
  static __m128i above(uint8_t, __m128i a, __m128i b) { return _mm_cmpgt_epi8(a, b); }
  static __m128i above(uint16_t, __m128i a, __m128i b) { return _mm_cmpgt_epi16(a, b); }
  static __m128i above(uint32_t, __m128i a, __m128i b) { return _mm_cmpgt_epi32(a, b); }

  template <class Code>
  static uint64_t equal(const Code* at, Code value) {
    return mask(at, [&](__m128i units) { return same(value, units, splat(value)); });
  }

  template <class Code>
  static uint64_t blanks(const Code* at) {
    return mask(at, [](__m128i units) {
      const __m128i control =
          _mm_and_si128(above(Code{}, units, splat(Code{8})), above(Code{}, splat(Code{14}), units));
      __m128i found = _mm_or_si128(control, same(Code{}, units, splat(Code{' '})));
      if constexpr (sizeof(Code) > 1) found = _mm_or_si128(found, same(Code{}, units, splat(Code{0x3000})));
      return found;
    });
  }

  template <class Code>
  static uint64_t sentence_marks(const Code* at) {
    uint64_t bits = 0;
    for (int i = 0; i < kBlock; ++i) bits |= uint64_t{may_end_sentence(at[i])} << i;
    return bits;
  }
};

}  // namespace

constinit const Kernels<uint8_t> kSse2Latin1 = make_kernels<Sse2, uint8_t>();
constinit const Kernels<uint16_t> kSse2Ucs2 = make_kernels<Sse2, uint16_t>();
constinit const Kernels<uint32_t> kSse2Ucs4 = make_kernels<Sse2, uint32_t>();

}  // namespace headrace::text
#endif
